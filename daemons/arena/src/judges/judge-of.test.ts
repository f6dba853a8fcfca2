import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import type { Generate } from '../contract/generate.ts';
import type { Judged } from '../contract/judge.ts';
import { compositeJudge } from './composite-judge.ts';
import { judgeOf, type JudgeSettings } from './judge-of.ts';
import { panelJudge } from './panel-judge.ts';
import { playMatch } from './play-match.ts';
import { judged, scores, scriptedJudge } from './testing/scripted-judge.ts';

const { signal } = new AbortController();
const [one, other] = [judged('one'), judged('other')];
const aggregateOf = (outcome: Judged['aggregate']['outcome'], combinedScoreModifier: number) => ({
  ...one.aggregate,
  outcome,
  combinedScoreModifier,
});

describe('panel', () => {
  const says = (a: number, b: number) => scriptedJudge(() => scores(a, b), `${a}:${b}`);
  const none = scriptedJudge(() => null, 'none');

  test('what most say wins, however sure the others are', async () => {
    const panel = panelJudge([says(5.1, 5), says(6, 5), says(0, 10)]);
    const said = await panel.compare(one, other, signal);
    expect(said?.scoreA).toBeCloseTo(20 / 3);
    expect(said?.scoreB).toBeCloseTo(10 / 3);
    expect(said?.usd).toBe(1.5);
    expect(panel.models).toEqual(['5.1:5', '6:5', '0:10']);
    expect((await panelJudge([says(1, 0), says(0, 1)]).compare(one, other, signal))?.scoreA).toBe(5);
  });

  test('is void unless more than half answered', async () => {
    expect(await panelJudge([says(9, 0), none]).compare(one, other, signal)).toBeNull();
    expect(await panelJudge([says(9, 0), says(8, 1), none]).compare(one, other, signal)).toMatchObject({
      scoreA: 10,
      details: { members: [{ scoreA: 9, scoreB: 0 }, { scoreA: 8, scoreB: 1 }, null] },
    });
  });

  test('throws what a member throws, after all have ended; sizes are bounded', async () => {
    let ended = false;
    const broken = scriptedJudge(() => Promise.reject(new TypeError('no')));
    const slow = scriptedJudge(async () => {
      await Bun.sleep(5);
      ended = true;
      return scores(1, 0);
    });
    expect(await thrower(panelJudge([broken, slow]).compare(one, other, signal))).toThrow('no');
    expect(ended).toBe(true);
    expect(() => panelJudge([])).toThrow(RangeError);
    expect(() => panelJudge(Array.from({ length: 10 }, () => none))).toThrow(RangeError);
  });
});

describe('composite', () => {
  const inner = scriptedJudge(() => scores(8, 6));
  const judge = compositeJudge(inner);
  const failed = { ...judged('failed'), aggregate: aggregateOf('invalid', 0) };

  test.each([
    [failed, failed, 'both_failed_verification', -10, -10],
    [failed, one, 'a_failed_verification', -10, 1],
    [one, failed, 'b_failed_verification', 1, -10],
  ])('asks nobody of what failed (%#)', async (a, b, outcome, scoreA, scoreB) => {
    const said = await judge.compare({ ...a, metadata: { idx: 3 } }, { ...b, metadata: { idx: 7 } }, signal);
    expect(said).toMatchObject({ scoreA, scoreB, usd: 0, details: { outcome, a: { idx: 3 }, b: { idx: 7 } } });
    expect(inner.asked).toHaveLength(0);
  });

  test('multiplies by what verifiers left, and passes metadata through in both orders', async () => {
    const half = { ...one, aggregate: aggregateOf('valid', 0.5), metadata: { idx: 4, note: ['kept'] } };
    const said = await judge.compare(half, other, signal);
    expect(said).toMatchObject({ scoreA: 4, scoreB: 6 });
    expect(said?.details).toEqual({ outcome: 'arena_comparison', a: { idx: 4, note: ['kept'] }, b: {} });
    expect((await playMatch(judge, half, other, signal)).scoreA).toBe(4 + 3);
    expect(await compositeJudge(scriptedJudge(() => null)).compare(one, other, signal)).toBeNull();
  });

  test('what could not be checked has not failed', async () => {
    const unsure = { ...one, aggregate: aggregateOf('inconclusive', 1) };
    expect((await judge.compare(unsure, other, signal))?.details?.outcome).toBe('arena_comparison');
  });
});

test('settings choose the judge', () => {
  const generate = () => Promise.reject(new Error('not asked'));
  const payer = { generate, clock: systemClock, tenant: 't', key: 'k' };
  const open = (kind: JudgeSettings['kind'], ...models: string[]) => judgeOf({ kind, models }, payer);
  expect(open('verifiers', 'm').kind).toBe('deterministic');
  expect(open('llm', 'm')).toMatchObject({ kind: 'llm', models: ['m'] });
  expect(open('composite', 'm')).toMatchObject({ kind: 'composite', name: 'composite:llm:m', models: ['m'] });
  expect(open('llm', 'm', 'n')).toMatchObject({ kind: 'panel', name: 'panel:llm:m+llm:n', models: ['m', 'n'] });
});

test('instructions of a model change its digest and what a check says of it, and stand in the judge for the plan', () => {
  const asked: [string, string][] = [];
  const payer = {
    generate: () => Promise.reject(new Error('nobody is asked')),
    clock: systemClock,
    tenant: 'acme',
    key: 'key-1',
    isUnfit: (_: string, model: string, prompt: string) => asked.push([model, prompt]) < 0,
  };
  const instructions = [
    { model: 'm', text: 'Take the shorter one.' },
    { model: 'elsewhere', text: 'Take the longer one.' },
  ];
  const settings: JudgeSettings = { kind: 'llm', models: ['m'] };
  const [usual, tuned] = [judgeOf(settings, payer), judgeOf(settings, { ...payer, instructions })];
  expect(tuned.promptSha256).not.toBe(usual.promptSha256);
  expect([usual.instructions, tuned.instructions]).toEqual([undefined, instructions.slice(0, 1)]);
  expect(asked.map(([, prompt]) => prompt)).toEqual([usual.promptSha256 ?? '', tuned.promptSha256 ?? '']);
  expect(judgeOf(settings, { ...payer, instructions: tuned.instructions ?? [] }).promptSha256).toBe(tuned.promptSha256);
});

test('a judge costs what its model costs, and nothing where no price is set', async () => {
  const verdict = JSON.stringify({ combined_scores: { Agent_A: 5, Agent_B: 4 }, winner: 'Agent_A' });
  const generate: Generate = async ({ request }) => ({
    answer: { role: 'assistant', content: verdict },
    model: request.model,
    finishReason: 'stop',
    usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 },
    latencyMs: 1,
  });
  const payer = { generate, clock: systemClock, tenant: 'acme', key: 'key-1' };
  const settings: JudgeSettings = { kind: 'llm', models: ['dear', 'cheap'] };
  const priceOf = (model: string) =>
    model === 'dear' ? { inputUsd: 1e-6, outputUsd: 1e-5 } : { inputUsd: 1e-8, outputUsd: 1e-7 };
  const judge = judgeOf(settings, { ...payer, priceOf });
  const spent: number[] = [];
  const said = await judge.compare(one, other, signal, ({ usd }) => spent.push(Math.round(usd * 1e9)));
  expect(spent.toSorted((a, b) => a - b)).toEqual([3_000, 300_000]);
  expect(Math.round((said?.usd ?? 0) * 1e9)).toBe(303_000);
  expect((await judgeOf(settings, payer).compare(one, other, signal))?.usd).toBe(0);
});
