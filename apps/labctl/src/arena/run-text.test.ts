import { trajectorySchema } from '@labmesh/wire/verification/arena-views';
import { expect, test } from 'bun:test';
import { runText } from './run-text.ts';

const run = (plan: Record<string, unknown> | null) =>
  trajectorySchema.parse({
    id: '019f0000-0000-7000-8000-000000000001',
    status: 'verified',
    mode: 'intercept',
    model: 'tiny',
    createdAt: '2026-01-01T00:00:00.000Z',
    score: 1,
    certificateId: null,
    messageCount: 1,
    state: 'done',
    outcome: 'valid',
    chosen: 0,
    report: null,
    error: null,
    plan,
    seed: 1,
    tokens: { input: 1, output: 2 },
    costUsd: 0,
    finishedAt: null,
    candidates: [],
    legs: [],
  });

const candidate = {
  idx: 0,
  attempt: 0,
  state: 'generated',
  sameAs: null,
  sampling: {},
  digest: null,
  answer: null,
  model: 'm',
  finishReason: 'stop',
  tokensIn: 9,
  tokensOut: 1,
  latencyMs: 1,
  outcome: null,
  scoreModifier: null,
  reason: null,
  verdicts: [],
};

test('what engines had kept of prompts is said where they say it (AR4)', () => {
  const shown = (...cached: (number | null)[]) =>
    runText({ ...run(null), candidates: cached.map((tokensCached) => ({ ...candidate, tokensCached })) }, 100);
  expect(shown(null)).toContain('tokens       1 in, 2 out');
  expect(shown(3, null, 4)).toContain('tokens       1 in (7 cached), 2 out');
});

test('calls of tools are told, equal ones together (AR18)', () => {
  const use = { round: 0, tool: 'docs/lookup', argsSha256: null, state: 'ok' as const, cached: false, latencyMs: 5 };
  const calls = [use, { ...use, cached: true }, { ...use, tool: null, state: 'unknown' as const }];
  const text = runText({ ...run(null), candidates: [{ ...candidate, toolCalls: calls }] }, 100);
  expect(text).toContain('tools that were called:\n  0 docs/lookup ok × 2, 1 from before\n  0 unknown unknown\n');
});

test.each([
  [{ replayable: true }, 'yes'],
  [{ replayable: false }, 'no: an engine does not honour its seed'],
  [{ replayable: null }, 'not known'],
  [{}, 'not known'],
  [null, 'not known'],
])('shows whether a run can be generated again (AR2): %j', (plan, said) => {
  expect(runText(run(plan), 100)).toContain(`replayable   ${said}`);
});
