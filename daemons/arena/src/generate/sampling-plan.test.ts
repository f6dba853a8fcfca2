import { expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { strategies } from '@labmesh/wire/verification/verification-block';
import fc from 'fast-check';
import { readTemperatures } from './read-temperatures.ts';
import { samplingPlan, type SamplingRequest, seedOf, temperatureOf } from './sampling-plan.ts';
import { answerTokens, variationRequest } from './variation-request.ts';

const base: SamplingRequest = {
  runId: 'run-1',
  strategy: 'temperature_sweep',
  variations: 5,
  temperatures: [0.1, 0.7, 1],
  temperature: null,
  topP: 0.95,
  topK: 50,
  suffixes: ['one', 'two', 'three'],
  models: ['m'],
};

test('AR2: T[ceil(i(k-1)/(n-1))]; a lone variation takes the first', () => {
  const of = (n: number, values: number[]) => Array.from({ length: n }, (_, i) => temperatureOf(i, n, values));
  expect(of(5, [0.1, 0.7, 1])).toEqual([0.1, 0.7, 0.7, 1, 1]);
  expect(of(1, [0.1, 0.7, 1])).toEqual([0.1]);
  expect(of(3, [0.1, 0.7, 1])).toEqual([0.1, 0.7, 1]);
  expect(of(4, [0.5])).toEqual([0.5, 0.5, 0.5, 0.5]);
});

test('AR2: the seed is the first 31 bits of SHA-256(run_id ‖ i)', () => {
  const digest = createHash('sha256').update('run-13').digest();
  expect(seedOf('run-1', 3)).toBe(Number.parseInt(digest.toString('hex').slice(0, 8), 16) >>> 1);
  expect(samplingPlan(base).map(({ seed }) => seed)).toEqual([0, 1, 2, 3, 4].map((i) => seedOf('run-1', i)));
});

test('AR3: each strategy varies its own and leaves the rest', () => {
  const plan = (strategy: SamplingRequest['strategy'], more: Partial<SamplingRequest> = {}) =>
    samplingPlan({ ...base, strategy, ...more });
  expect(plan('prompt_perturbation').map(({ suffix }) => suffix)).toEqual([null, 'one', 'two', 'three', null]);
  expect(plan('model_ensemble', { models: ['m', 'n'] }).map(({ model }) => model)).toEqual(['m', 'n', 'm', 'n', 'm']);
  expect(plan('top_k_variation').map(({ topK }) => topK)).toEqual([10, 30, 50, 100, 10]);
  expect(plan('nucleus_variation').map(({ topP }) => topP)).toEqual([0.8, 0.9, 0.95, 0.99, 0.8]);
  expect(new Set(plan('top_k_variation').map(({ temperature }) => temperature))).toEqual(new Set([0.7]));
  expect(new Set(plan('top_k_variation', { temperature: 0.2 }).map(({ temperature }) => temperature))).toEqual(
    new Set([0.2]),
  );
  expect(plan('combined', { models: ['m', 'n'] })[1]).toEqual({
    model: 'n',
    temperature: 0.7,
    topP: 0.9,
    topK: 30,
    seed: seedOf('run-1', 1),
    suffix: 'one',
  });
});

test('a plan is the same each time, and its values are ones that engines take', () => {
  const request = fc.record({
    strategy: fc.constantFrom(...strategies),
    variations: fc.integer({ min: 1, max: 16 }),
    temperatures: fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 1, maxLength: 16 }),
    runId: fc.uuid(),
  });
  fc.assert(
    fc.property(request, (values) => {
      const one = samplingPlan({ ...base, ...values });
      expect(one).toEqual(samplingPlan({ ...base, ...values }));
      expect(one).toHaveLength(values.variations);
      for (const { seed, temperature } of one) {
        expect(seed !== null && seed >= 0 && seed < 2 ** 31).toBe(true);
        expect(values.temperatures).toContain(temperature ?? -1);
      }
    }),
  );
});

test('AR1: a comma list is a list, a..b a sweep with both ends', () => {
  expect(readTemperatures(['0.1', '0.7'], 5)).toEqual([0.1, 0.7]);
  expect(readTemperatures(['0.1..0.9'], 5)).toEqual([0.1, 0.3, 0.5, 0.7, 0.9]);
  expect(readTemperatures(['0.1..1.0'], 1)).toEqual([0.1]);
  for (const wrong of [
    [],
    ['a'],
    ['3'],
    ['-1'],
    ['1..'],
    ['1..2..3'],
    ['0.1..0.2', '1'],
    Array.from({ length: 17 }, () => '1'),
  ]) {
    expect(readTemperatures(wrong, 5)).toBeUndefined();
  }
});

test('the request of a variation asks for one whole answer with its own values', () => {
  const request = {
    model: 'm',
    n: 3,
    stream: true,
    stream_options: { include_usage: true },
    max_completion_tokens: 9_000,
    custom: 1,
    messages: [
      { role: 'user', content: 'add' },
      { role: 'assistant', content: 'x' },
    ],
  };
  const sampling = { model: 'n', temperature: 0.7, topP: null, topK: 10, seed: 4, suffix: 'mind edges' };
  const made = variationRequest(request, sampling, 64);
  expect(made).toEqual({
    model: 'n',
    custom: 1,
    max_completion_tokens: 64,
    temperature: 0.7,
    top_k: 10,
    seed: 4,
    messages: [
      { role: 'user', content: 'add\n\nmind edges' },
      { role: 'assistant', content: 'x' },
    ],
  });
  const parts = { ...request, messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] };
  expect(variationRequest(parts, sampling, 1).messages[0]?.content).toHaveLength(2);
  expect([answerTokens(request, 4096, 8192), answerTokens({ model: 'm', messages: [] }, 4096, 8192)]).toEqual([
    8192, 4096,
  ]);
});
