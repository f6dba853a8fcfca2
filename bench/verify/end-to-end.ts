/**
 * From a chat request to the verified answer (verification AC7): labctl up with the tiny model, five variations of eighty
 * prompts, each run against hidden cases. The answers of some are then checked again, with equal ones merged and without.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyPrompts, tinySuite, type TinyTask, tinyTasks } from '../../tests/arena/tiny-tasks.ts';
import { LabctlHome, type Ready } from '../../tests/harness/labctl-process.ts';
import { percentile } from '../percentile.ts';
import { cell } from '../report.ts';
import { type DuplicateFigures, measureDuplicates, type RunAnswers } from './duplicates.ts';
import type { PartFigures, VerifyPart } from './verify-part.ts';

const toml = '[arena.early_stop]\nenabled = false\n';
/** Nothing is cut off the distribution: the model is wrong often enough to be worth checking. */
const plainSampling = { max_tokens: 44, top_p: 1, top_k: 0, min_p: 0 };
const temperature = 1.2;
const plainRounds = 80;
/** The answers of one run in so many are checked again. */
const checkedAgain = 3;

type Seen = { ms: number; status: string; candidates: { outcome: string; content: string }[] };

async function post(ready: Ready, body: object): Promise<{ ms: number; body: unknown }> {
  const from = performance.now();
  const response = await fetch(`${ready.api}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ready.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: ready.models[0]?.id, ...plainSampling, ...body }),
  });
  const answer = await response.json();
  if (response.status !== 200) throw new Error(`status ${response.status}: ${JSON.stringify(answer)}`);
  return { ms: performance.now() - from, body: answer };
}

async function verified(ready: Ready, task: TinyTask, prompt: string): Promise<Seen> {
  const verification = {
    mode: 'intercept',
    suite: tinySuite(task).id,
    metadata: { language: 'python' },
    temperatures: [temperature],
    return_all: true,
    correction: false,
    on_fail: 'best_effort',
  };
  const { ms, body } = await post(ready, { messages: [{ role: 'user', content: prompt }], verification });
  const { status, candidates } = (body as { verification: Pick<Seen, 'status' | 'candidates'> }).verification;
  return { ms, status, candidates };
}

async function measure(owned: AsyncDisposableStack): Promise<PartFigures> {
  const home = new LabctlHome();
  owned.defer(() => home[Symbol.dispose]());
  const settings = join(home.folder, 'labmesh.toml');
  writeFileSync(settings, toml);
  const { labctl, ready } = await home.up('--demo', '--no-discovery', '--no-fleet', '--config', settings);
  owned.use(labctl);
  for (const task of tinyTasks) {
    const file = join(home.folder, 'suite.json');
    writeFileSync(file, JSON.stringify(tinySuite(task)));
    await home.run('arena', 'suites', 'put', file, '--data', home.data);
  }
  const plain: number[] = [];
  for (let turn = 0; turn < plainRounds; turn++) {
    const { ms } = await post(ready, { messages: [{ role: 'user', content: 'write add' }], temperature });
    plain.push(ms);
  }
  const seen: Seen[] = [];
  const again: RunAnswers[] = [];
  for (const task of tinyTasks) {
    for (const prompt of tinyPrompts(task)) {
      const run = await verified(ready, task, prompt);
      if (seen.length % checkedAgain === 0)
        again.push({ suite: tinySuite(task), prompt, answers: run.candidates.map(({ content }) => content) });
      seen.push(run);
    }
  }
  return figuresOf(plain, seen, await measureDuplicates(again));
}

function figuresOf(plain: readonly number[], seen: readonly Seen[], duplicates: DuplicateFigures): PartFigures {
  const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);
  const times = sorted(seen.map(({ ms }) => ms));
  const all = seen.flatMap(({ candidates }) => candidates);
  const share = (part: number, whole: number) => (100 * part) / whole;
  const valid = (list: readonly { outcome?: string; status?: string }[]) =>
    list.filter((one) => (one.outcome ?? one.status) === 'valid').length;
  const metrics = {
    e2e_p50_ms: percentile(times, 0.5),
    e2e_p95_ms: percentile(times, 0.95),
    e2e_p95_ratio_p50: percentile(times, 0.95) / percentile(times, 0.5),
    e2e_plain_p50_ms: percentile(sorted(plain), 0.5),
    pass_at_1_percent: share(valid(all), all.length),
    best_of_5_percent: share(valid(seen), seen.length),
    best_of_5_gain_points: share(valid(seen), seen.length) - share(valid(all), all.length),
    ...duplicates,
  };
  const names: readonly (keyof typeof metrics)[] = [
    'e2e_plain_p50_ms',
    'e2e_p50_ms',
    'e2e_p95_ms',
    'pass_at_1_percent',
    'best_of_5_percent',
    'duplicate_percent',
    'duplicate_saved_percent',
  ];
  const rows = names.map((name) => [name.replaceAll('_', ' '), cell(metrics[name])]);
  const notes = [
    `end to end: 80 prompts, 5 variations at temperature ${temperature}, one request at a time`,
    'duplicates: answers of every third run, CPU of verifiers and sandbox with equal ones merged and kept apart, in turns',
  ];
  return { metrics, table: [['end to end', 'measured'], ...rows], notes };
}

export const endToEnd: VerifyPart = {
  measure,
  goals: [
    { metric: 'e2e_p95_ratio_p50', max: 3 },
    { metric: 'best_of_5_gain_points', min: 10 },
    // Of the verifiers' time at least the share that equal answers are.
    { metric: 'duplicate_saved_ratio_share', min: 1 },
  ],
};
