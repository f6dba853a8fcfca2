import { expect, test } from 'bun:test';
import type { Judge } from '../contract/judge.ts';
import { planRun } from './plan-run.ts';
import { asFault, generationFault, RunFault } from './run-fault.ts';
import { runDefaults } from './run-settings.ts';
import { type OfferInput, offerOf } from './testing/offers.ts';

const judge: Judge = {
  name: 'j',
  kind: 'llm',
  promptSha256: 'p',
  models: ['judge'],
  compare: () => Promise.resolve(null),
};
const plan = (offer: OfferInput = {}, settings = runDefaults) =>
  planRun(offerOf(offer), settings, { runId: 'run', judge, suiteSha256: null });

test('defaults: five variations, AR2 temperatures, two corrections while none is valid, a hundred thousand tokens', () => {
  const made = plan();
  expect(made.samplings.map(({ temperature }) => temperature)).toEqual([0.1, 0.7, 0.7, 1, 1]);
  expect(made).toMatchObject({
    strategy: 'temperature_sweep',
    method: 'auto',
    maxTokens: 4096,
    corrections: 2,
    correctsAlways: false,
    warnings: [],
    budget: { tokens: 100_000, nanoUsd: null, judgeCalls: null },
  });
});

test('the block decides within the limits of the arena', () => {
  const block = {
    variations: 2,
    temperatures: [0, 2],
    correction: 3,
    method: 'anchor',
    budget: { tokens: 500, usd: 2, judge_calls: 4 },
    max_cost_usd: 0.5,
  } as const;
  const made = plan({ block: { ...block, temperatures: [...block.temperatures] } });
  expect(made.samplings.map(({ temperature }) => temperature)).toEqual([0, 2]);
  expect(made).toMatchObject({
    corrections: 3,
    correctsAlways: true,
    method: 'anchor',
    budget: { tokens: 500, nanoUsd: 500_000_000, judgeCalls: 4 },
  });
  expect(plan({ block: { correction: false } }).corrections).toBe(0);
  expect(plan({ block: { budget: { tokens: 1_000_000 } } }).budget.tokens).toBe(100_000);
  expect(() => plan({ block: { variations: 6 } })).toThrow(RunFault);
  const wide = { ...runDefaults, limits: { ...runDefaults.limits, variations: 16 } };
  expect(plan({ block: { variations: 16 } }, wide).samplings).toHaveLength(16);
  const long = { model: 'm', max_tokens: 100_000, messages: [{ role: 'user', content: 'x' }] };
  expect(plan({ request: long }).maxTokens).toBe(8_192);
});

test('an answer that is given is the only one in audit and intercept, the first in shadow; it is never corrected', () => {
  const answer = { role: 'assistant', content: 'x' };
  const request = { model: 'm', temperature: 0.3, seed: 9, top_k: 7, messages: [{ role: 'user', content: 'x' }] };
  const [own] = plan({ mode: 'audit', answer, request }).samplings;
  expect(own).toEqual({ model: 'm', temperature: 0.3, topP: null, topK: 7, seed: 9, suffix: null });
  expect([
    plan({ mode: 'intercept', answer }).samplings.length,
    plan({ mode: 'intercept', answer }).corrections,
  ]).toEqual([1, 0]);
  expect(plan({ mode: 'shadow', answer, request }).samplings.map(({ temperature }) => temperature)).toEqual([
    0.3, 0.7, 0.7, 1, 1,
  ]);
  expect(() => plan({ mode: 'audit' })).toThrow('audit');
});

test('AR12: a judge of the answers own model is warned of', () => {
  const request = { model: 'judge', messages: [{ role: 'user', content: 'x' }] };
  expect(plan({ request }).warnings).toHaveLength(1);
  expect(plan({ block: { strategy: 'model_ensemble', models: ['judge'] } }).warnings).toHaveLength(1);
});

test('faults show a client what the table says, and nothing of what was thrown', () => {
  expect(asFault(new TypeError('SECRET /path')).message).not.toContain('SECRET');
  expect(generationFault(['model_not_found', 'model_not_found']).code).toBe('model_not_found');
  expect(generationFault(['queue_full', 'queue_full']).code).toBe('upstream_error');
  expect(generationFault([]).code).toBe('upstream_error');
});

test('a key with a right to more variations than everybody has them, and 16 at most (RP8)', () => {
  const most = (variations: number, variationsMost?: number) =>
    plan({ block: { variations }, ...(variationsMost !== undefined && { variationsMost }) }).samplings.length;
  expect([most(5), most(16, 16), most(5, 3), most(9, 9)]).toEqual([5, 16, 5, 9]);
  for (const given of [undefined, 5, 9]) expect(() => most(10, given)).toThrow('--variations');
  // Who asks for no number gets as many as ever.
  expect(plan({ variationsMost: 16 }).samplings).toHaveLength(5);
});

test('what its judge is told is planned, so that a later approval is for later runs', () => {
  expect(plan().judge).toEqual({ name: 'j', kind: 'llm', promptSha256: 'p' });
  const instructions = [{ model: 'judge', text: 'Take the shorter one.' }];
  const tuned = planRun(offerOf({}), runDefaults, {
    runId: 'run',
    judge: { ...judge, instructions },
    suiteSha256: null,
  });
  expect(tuned.judge.instructions).toEqual(instructions);
});
