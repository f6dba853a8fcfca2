/** AR17: what is found is what the judge is really better with, and the held-out part says so. */
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { tuneJudgeSchema } from '@labmesh/wire/verification/judge-views';
import { messageText, usualInstructions } from '../judge-prompt.ts';
import { scores, scriptedJudge } from '../testing/scripted-judge.ts';
import { goldComparison, type GoldComparison, goldParts } from './gold-comparison.ts';
import { candidateInstructions } from './instruction-candidates.ts';
import { meanInterval } from './mean-interval.ts';
import { tuneJudge } from './tune-judge.ts';

const { signal } = new AbortController();
/** So many, spread over so many tasks. */
function gold(count: number, tasks = count): GoldComparison[] {
  const said = (content: string) => [{ role: 'assistant', content }];
  return Array.from({ length: count }, (_, at) => {
    const input = [{ role: 'user', content: `task ${at % tasks}` }];
    return goldComparison({ input, chosen: said(`good ${at}`), rejected: said(`poor ${at}`) });
  }).filter((one) => one !== undefined);
}
const asked = tuneJudgeSchema.parse({ model: 'm' });
const isGood = (one: Parameters<ReturnType<typeof scriptedJudge>['compare']>[0]) =>
  messageText(one.candidate.answer).startsWith('good');

/** Agrees with people only where it is told `clause`, and then with a margin of 8 to 2. */
function skilled(clause: string, calls: { told: string[] }) {
  return (instructions: string) =>
    scriptedJudge((first) => {
      calls.told.push(instructions);
      const right = instructions.includes(clause) === isGood(first);
      return right ? scores(8, 2) : scores(2, 8);
    });
}

test.each(['the first error', 'name a tie only when', 'the shorter is better'])(
  'skill that hangs on %j is found, at the usual figures and seed',
  async (clause) => {
    const calls = { told: [] };
    const parts = goldParts(gold(90), asked.seed);
    const tuning = { judge: skilled(clause, calls), present: usualInstructions, gold: parts, signal };
    const found = await tuneJudge(tuning, asked);
    expect(found.best?.instructions).toContain(clause);
    // 0.5 + 0.5 · 12/20 where it agrees.
    expect(found.best?.heldOut).toEqual({
      mean: expect.closeTo(0.8),
      low: expect.closeTo(0.8),
      high: expect.closeTo(0.8),
    });
    expect(found.present).toMatchObject({ instructions: usualInstructions, train: { mean: 0 }, heldOut: { mean: 0 } });
    expect(found.difference?.low).toBeCloseTo(0.8);
    expect(calls.told.length).toBeLessThanOrEqual(asked.trials * 16 + 4 * parts.heldOut.length);
    expect(await tuneJudge({ ...tuning, judge: skilled(clause, { told: [] }) }, asked)).toEqual(found);
  },
);

test('where the present instructions are as good as any, nothing is found; ties and void ones count nothing', async () => {
  const parts = goldParts(gold(30), 1);
  for (const said of [scores(5, 5), null]) {
    const judge = () => scriptedJudge(() => said);
    const found = await tuneJudge({ judge, present: usualInstructions, gold: parts, signal }, asked);
    expect(found).toMatchObject({ best: null, difference: null, present: { heldOut: { mean: 0, low: 0, high: 0 } } });
  }
});

test('nothing that is held out is shown to more than two candidates', async () => {
  const parts = goldParts(gold(60), 42);
  const seen = new Map<string, Set<string>>();
  const judge = (instructions: string) =>
    scriptedJudge((first) => {
      const text = messageText(first.candidate.answer).replace(/^\w+/, '');
      seen.set(text, (seen.get(text) ?? new Set()).add(instructions));
      return isGood(first) === instructions.length % 2 > 0 ? scores(9, 1) : scores(1, 9);
    });
  await tuneJudge({ judge, present: usualInstructions, gold: parts, signal }, asked);
  const held = parts.heldOut.map(({ chosen }) => seen.get(messageText(chosen.candidate.answer).replace(/^\w+/, '')));
  expect(Math.max(...held.map((tellings) => tellings?.size ?? 0))).toBeLessThanOrEqual(2);
  expect(Math.max(...[...seen.values()].map(({ size }) => size))).toBe(asked.candidates);
});

test('a third is held out, and no task is on both sides, however they are spread', () => {
  const anyGold = fc.array(fc.nat(12), { minLength: 1, maxLength: 60 });
  const check = (tasks: number[], seed: number) => {
    const [one] = gold(1) as [GoldComparison];
    const given = tasks.map((task) => ({ ...one, task: `${task}` }));
    const { train, heldOut } = goldParts(given, seed);
    expect(train.length + heldOut.length).toBe(tasks.length);
    expect(heldOut.length).toBeLessThanOrEqual(Math.round(tasks.length / 3));
    const own = new Set(train.map(({ task }) => task));
    expect(heldOut.some(({ task }) => own.has(task))).toBe(false);
  };
  fc.assert(fc.property(anyGold, fc.nat(), check));
  expect(goldParts(gold(90), 42).heldOut).toHaveLength(30);
  expect(goldParts(gold(90, 1), 42).heldOut).toEqual([]);
});

test('candidates: the present first, none twice, the same at a seed, one more sentence of nobody', () => {
  const drawn = candidateInstructions('mine', 50, 7);
  expect([drawn[0], new Set(drawn).size]).toEqual(['mine', 50]);
  expect(candidateInstructions('mine', 50, 7)).toEqual(drawn);
  expect(candidateInstructions('mine', 50, 8)).not.toEqual(drawn);
  expect(candidateInstructions(usualInstructions, 360, 1).filter((one) => one === usualInstructions)).toHaveLength(1);
});

test('a mean with its interval', () => {
  expect(meanInterval([], 1)).toEqual({ mean: 0, low: 0, high: 0 });
  const { mean, low, high } = meanInterval([0, 1, 0, 1, 0, 1, 0, 1], 42);
  expect(mean).toBe(0.5);
  expect(low).toBeLessThan(0.3);
  expect(high).toBeGreaterThan(0.7);
});
