import { describe, expect, test } from 'bun:test';
import { ApiError } from '@labmesh/wire/errors';
import type { JudgeSpent } from '../contract/judge.ts';
import { gatewayGenerate } from '../generate/gateway-generate.ts';
import { llmJudge, type LlmJudgeOptions } from './llm-judge.ts';
import { playMatch } from './play-match.ts';
import { type Decision, fakeJudgeServer, type Shown, verdictOf } from './testing/fake-judge-server.ts';
import { judged } from './testing/scripted-judge.ts';

const [good, bad] = [judged('good'), judged('bad')];
const { signal } = new AbortController();
const fair = ({ a }: Shown) => (a === 'good' ? verdictOf(9, 2) : verdictOf(2, 9));

function setUp(decide: (shown: Shown, call: number) => Decision, more: Partial<LlmJudgeOptions> = {}) {
  const server = fakeJudgeServer(decide);
  const generate = gatewayGenerate({ baseUrl: server.url, token: 'arena' });
  const judge = llmJudge({ generate, tenant: 'acme', key: 'key-1', model: 'judge', pauseMs: 0, ...more });
  const spent: JudgeSpent[] = [];
  const compare = () => judge.compare(good, bad, signal, (one) => void spent.push(one));
  return { server, judge, spent, compare, [Symbol.dispose]: () => server[Symbol.dispose]() };
}

test('both orders over an OpenAI server, at temperature 0, paid by the tenant', async () => {
  using set = setUp(fair);
  expect(await playMatch(set.judge, good, bad, signal)).toEqual({ scoreA: 18, scoreB: 4, winner: 'a' });
  const [first, second] = set.server.seen;
  expect(first?.body).toMatchObject({ model: 'judge', temperature: 0, response_format: { type: 'json_object' } });
  expect([first?.a, second?.a]).toEqual(['good', 'bad']);
  expect(first?.nonce).not.toBe(second?.nonce ?? '');
  expect(set.server.headers[0]?.get('x-labmesh-tenant')).toBe('acme');
  expect(set.server.headers[0]?.get('x-labmesh-verify')).toBe('off');
});

test('a comparison says what it cost and who said it', async () => {
  using set = setUp(fair, { price: { inputUsd: 0.01, outputUsd: 0.1 } });
  expect(await set.compare()).toEqual({
    scoreA: 9,
    scoreB: 2,
    rationale: 'as it is',
    usd: 3,
    details: { model: 'judge-1', calls: 1 },
  });
  expect(set.spent).toEqual([{ promptTokens: 100, completionTokens: 20, usd: 3 }]);
});

describe('failure', () => {
  test('is tried again twice: malformed, then away, then good', async () => {
    using set = setUp((shown, call) => ['Agent_A is better', 500, fair(shown)][call - 1] ?? 500);
    expect(await set.compare()).toMatchObject({ scoreA: 9, details: { calls: 3 } });
    expect(set.spent).toHaveLength(2);
  });

  test('three times is void, never 5:5, and was paid all the same', async () => {
    using set = setUp(() => '{"winner":"Agent_A"}');
    expect(await set.compare()).toBeNull();
    expect(set.server.seen).toHaveLength(3);
    expect(set.spent).toHaveLength(3);
  });

  test('of the budget is thrown at once', async () => {
    using set = setUp(() => 429);
    const error = await set.compare().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).code).toBe('budget_exceeded');
    expect(set.server.seen).toHaveLength(1);
  });

  test('by an abort is thrown, not void', async () => {
    using set = setUp(fair);
    const ending = new AbortController();
    const generate: LlmJudgeOptions['generate'] = () => {
      ending.abort();
      return Promise.reject(new Error('cut'));
    };
    const judge = llmJudge({ generate, tenant: 't', key: 'k', model: 'm' });
    const error = await judge.compare(good, bad, ending.signal).catch((caught: unknown) => caught);
    expect((error as Error).name).toBe('AbortError');
    expect(set.server.seen).toHaveLength(0);
  });

  test('of an answer that was cut at its limit', async () => {
    let calls = 0;
    const generate: LlmJudgeOptions['generate'] = () => {
      calls++;
      const usage = { prompt_tokens: 1, total_tokens: 1 };
      const answer = { role: 'assistant', content: verdictOf(9, 1) };
      return Promise.resolve({ answer, model: 'm', finishReason: 'length', usage, latencyMs: 1 });
    };
    expect(
      await llmJudge({ generate, tenant: 't', key: 'k', model: 'm', pauseMs: 0 }).compare(good, bad, signal),
    ).toBeNull();
    expect(calls).toBe(3);
  });
});

test('the same secret shows the same comparison to the letter; without one no two judges do', async () => {
  const secret = new Uint8Array(32).fill(1);
  const prompts: string[] = [];
  for (const more of [{ secret }, { secret }, {}]) {
    using set = setUp(fair, more);
    await set.compare();
    prompts.push(JSON.stringify(set.server.seen[0]?.body.messages));
  }
  expect(prompts[0]).toBe(prompts[1] ?? '');
  expect(prompts[2]).not.toBe(prompts[0] ?? '');
});

test('JSON mode is asked for once: an engine that refuses it answers the second time', async () => {
  using set = setUp((shown) => (shown.body.response_format === undefined ? fair(shown) : 400));
  expect(await set.compare()).toMatchObject({ scoreA: 9, details: { calls: 2 } });
  expect(set.spent).toHaveLength(1);
});

test('other instructions are another digest', async () => {
  using set = setUp(fair, { instructions: 'Prefer short answers.' });
  await set.compare();
  expect(set.server.seen[0]?.system).toStartWith('Prefer short answers.\n');
  using usual = setUp(fair);
  expect(set.judge.promptSha256).not.toBe(usual.judge.promptSha256);
});
