/**
 * From start to exit: a program in a sandbox beside the same program as a plain process, all of them in turns in one
 * run. Only ratios are compared with goals: other load on the machine slows both.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnExecutor } from '@labmesh/labctl/up/arena/own-executor';
import { readSandboxSettings } from '@labmesh/executor/sandbox-settings';
import { silentLogger } from '@labmesh/kit/log';
import { type ExecutorClient, executorClient } from '@labmesh/link/calls/executor-client';
import type { SandboxJobInput, SandboxLevel } from '@labmesh/wire/verification/sandbox';
import { percentile } from '../percentile.ts';
import { cell } from '../report.ts';
import type { PartFigures, VerifyPart } from './verify-part.ts';

const rounds = 150;
/** Not counted: pages, caches, the first worker. */
const warmUp = 10;

/** Runs at once, where many come together. */
const burst = 8;

const settleMs = 50;

/** `after` is done once in a round, and not counted. */
type Timed = { name: string; run: () => Promise<number>; after?: () => Promise<unknown> };

/** Milliseconds until its end is known and its output read. */
async function plain(words: readonly string[]): Promise<number> {
  const from = performance.now();
  const child = Bun.spawn([...words], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  await Promise.all([child.stdout.bytes(), child.stderr.bytes(), child.exited]);
  const ms = performance.now() - from;
  if (child.exitCode !== 0) throw new Error(`${words.join(' ')} ended with ${child.exitCode}`);
  return ms;
}

async function sandboxed(client: ExecutorClient, job: SandboxJobInput): Promise<number> {
  const from = performance.now();
  const { exit, level, error } = await client.run(job);
  const ms = performance.now() - from;
  if (exit !== 'ok' || level !== job.minLevel) throw new Error(`${level}: ${exit} ${error?.message ?? ''}`);
  return ms;
}

/** Milliseconds for each of as many as come together. */
async function together(one: () => Promise<number>): Promise<number> {
  const from = performance.now();
  await Promise.all(Array.from({ length: burst }, one));
  return (performance.now() - from) / burst;
}

/** An executor of our own at one level; undefined where the level is not ready. */
async function openLevel(folder: string, level: 'L0' | 'L1', owned: AsyncDisposableStack) {
  const own = await startOwnExecutor({
    socketPath: join(folder, level, 'x.sock'),
    settings: { ...readSandboxSettings(undefined), minLevel: 'L0', level },
    log: silentLogger,
    signal: new AbortController().signal,
  });
  owned.use(own);
  const client = executorClient({ socketPath: own.socketPath });
  const name: SandboxLevel = level === 'L0' ? 'SANDBOX_L0_WASM' : 'SANDBOX_L1_NAMESPACE';
  const report = (await client.levels()).find((one) => one.level === name);
  return { client, level: name, reason: report?.ready === true ? undefined : (report?.reason ?? 'not built') };
}

const print = 'print(1)';

async function candidates(owned: AsyncDisposableStack): Promise<{ timed: Timed[]; notes: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-verify-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  const [l0, l1] = [await openLevel(folder, 'L0', owned), await openLevel(folder, 'L1', owned)];
  const plainTrue = () => plain(['/usr/bin/true']);
  const timed: Timed[] = [
    { name: 'plain_true', run: plainTrue },
    { name: 'plain_burst', run: () => together(plainTrue) },
    { name: 'plain_python', run: () => plain(['/usr/bin/python3', '-c', print]) },
  ];
  const add = (name: string, { client, level, reason }: typeof l0, job: () => SandboxJobInput) => {
    if (reason === undefined) timed.push({ name, run: () => sandboxed(client, { ...job(), minLevel: level }) });
  };
  const usual = { argv: ['/usr/bin/true'], minLevel: l1.level };
  add('l0_js', l0, () => ({ language: 'javascript', code: 'console.log(1)' }));
  add('l1_true', l1, () => usual);
  add('l1_python', l1, () => ({ language: 'python', code: print }));
  if (l1.reason === undefined) {
    const one = () => sandboxed(l1.client, usual);
    let others = 0;
    // Limits that no run before it had: nothing was begun for it. The usual run after it makes things as they were.
    const cold = () => sandboxed(l1.client, { ...usual, limits: { openFiles: 64 + (++others % 64) } });
    // What it begins for the next run must not be beside the plain process, which comes first again.
    const after = () => one().then(() => Bun.sleep(settleMs));
    timed.push({ name: 'l1_burst', run: () => together(one) }, { name: 'l1_cold', run: cold, after });
  }
  const notes = [l0, l1].flatMap(({ level, reason }) => (reason === undefined ? [] : [`no ${level}: ${reason}`]));
  return { timed, notes };
}

/** Sandbox and the plain process that it stands beside; L0 starts no process of its own kind, so it is `true` there. */
const pairs = [
  ['l0_js', 'plain_true'],
  ['l1_true', 'plain_true'],
  ['l1_cold', 'plain_true'],
  ['l1_burst', 'plain_burst'],
  ['l1_python', 'plain_python'],
] as const;

/** p05 is what a quiet machine would show. */
const header = ['start to exit', 'p05 ms', 'p50 ms', 'p95 ms', 'p05 ×plain', 'p50 ×plain', 'p95 ×plain'];

async function measure(owned: AsyncDisposableStack): Promise<PartFigures> {
  const { timed, notes } = await candidates(owned);
  const samples = new Map<string, number[]>(timed.map(({ name }) => [name, []]));
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const { name, run, after } of timed) {
      const ms = await run();
      await after?.();
      if (round >= warmUp) samples.get(name)?.push(ms);
    }
  }
  notes.push(`load of the machine over the last minute: ${loadavg()[0]?.toFixed(1)}, this run among it`);
  const metrics: Record<string, number> = {};
  for (const [name, list] of samples) {
    const sorted = list.toSorted((a, b) => a - b);
    metrics[`${name}_p05_ms`] = percentile(sorted, 0.05);
    metrics[`${name}_p50_ms`] = percentile(sorted, 0.5);
    metrics[`${name}_p95_ms`] = percentile(sorted, 0.95);
  }
  for (const [name, beside] of pairs) {
    for (const share of ['p05', 'p50', 'p95']) {
      const ratio = (metrics[`${name}_${share}_ms`] ?? NaN) / (metrics[`${beside}_${share}_ms`] ?? NaN);
      if (Number.isFinite(ratio)) metrics[`${name}_${share}_ratio`] = ratio;
    }
  }
  const rows = timed.map(({ name }) => [
    name,
    ...['p05_ms', 'p50_ms', 'p95_ms', 'p05_ratio', 'p50_ratio', 'p95_ratio'].map((key) =>
      cell(metrics[`${name}_${key}`], 2),
    ),
  ]);
  notes.push(
    `sandbox starts: ${rounds} rounds in turns, over the socket of the executor, from request to whole result`,
    `l1_cold: no chain was begun ahead for it; burst: ${burst} at once, milliseconds for each`,
  );
  return { metrics, notes, table: [header, ...rows] };
}

export const sandboxStarts: VerifyPart = {
  goals: [{ metric: 'l1_true_p50_ratio', max: 12 }],
  measure,
};
