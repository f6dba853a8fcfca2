/** Runs as they end, for tests: nothing of it was run. */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import type { FinishedAnswer, FinishedCandidate, FinishedRun } from '../../contract/finished-run.ts';

export const sampleAnswer = '```python\ndef add(a, b):\n    return a + b\n```';
const hash = (text: string) => sha256Hex(new TextEncoder().encode(text));

export const verdictOf = (pluginName: string, changes: Partial<Verdict> = {}): Verdict => ({
  status: 'passed',
  pluginName,
  version: '1',
  digest: hash(pluginName),
  message: 'it holds',
  details: {},
  scoreModifier: 1,
  hard: true,
  level: null,
  durationMs: 3,
  evidenceSha256: null,
  code: null,
  ...changes,
});

/** What runtime_verifier tells of an execution. */
export const executionDetails = {
  execution_id: 'execution-1',
  code_hash: hash(sampleAnswer),
  exit_code: 0,
  stdout_hash: hash('out'),
  stderr_hash: hash(''),
  execution_time_ms: 17.5,
  tests_passed: 3,
  tests_total: 3,
  timestamp: '2026-03-01T11:59:57.000Z',
};

export const level = 'SANDBOX_L1_NAMESPACE';
export const passedVerdicts = (): Verdict[] => [
  verdictOf('safety_filter'),
  verdictOf('code_linter', { level }),
  verdictOf('security_audit', { level, details: { tool: 'builtin', findings_count: 0 } }),
  verdictOf('runtime_verifier', { level, details: { execution: executionDetails } }),
];

export function answerOf(content: string, results: Verdict[] = passedVerdicts()): FinishedAnswer {
  const answer = { role: 'assistant', content };
  const outcome = results.some((one) => one.hard && one.status === 'failed') ? 'invalid' : 'valid';
  const combinedScoreModifier = outcome === 'valid' ? 1 : 0;
  const failureMessages = results.filter((one) => one.status === 'failed').map((one) => one.message);
  const allPassed = failureMessages.length === 0;
  return {
    answer,
    digest: sha256Hex(canonicalBytes(answer)),
    aggregate: { results, allPassed, anyHardFailure: !allPassed, combinedScoreModifier, failureMessages, outcome },
    grants: ['SAFETY_OK', 'SYNTAX_OK', 'AUDIT_OK', 'EXECUTED_EXIT_0', 'TESTS_PASSED_HIDDEN'],
  };
}

export const candidateOf = (
  index: number,
  final: FinishedAnswer,
  changes: Partial<FinishedCandidate> = {},
): FinishedCandidate => ({
  index,
  sameAs: null,
  state: 'generated',
  reason: null,
  sampling: { model: 'tiny', temperature: 0.7, topP: null, topK: null, seed: 42 + index, suffix: null },
  model: 'tiny-coder',
  finishReason: 'stop',
  original: final,
  corrections: [],
  final,
  score: final.aggregate.outcome === 'valid' ? 1 : 0,
  reward: final.aggregate.outcome === 'valid' ? 1 : -1,
  rank: index + 1,
  tokensIn: 10,
  tokensOut: 20,
  costNano: 0,
  latencyMs: 5,
  ...changes,
});

export function sampleRun(changes: Partial<FinishedRun> = {}): FinishedRun {
  return {
    id: '01900000-0000-7000-8000-000000000001',
    tenant: 'default',
    key: 'key-1',
    requestId: 'req_1',
    mode: 'intercept',
    request: { model: 'tiny', messages: [{ role: 'user', content: 'write add' }] },
    block: verificationBlockSchema.parse({}),
    outcome: 'valid',
    chosen: 0,
    candidates: [
      candidateOf(0, answerOf(sampleAnswer)),
      candidateOf(1, answerOf('no', [verdictOf('safety_filter', { status: 'failed', scoreModifier: 0 })])),
    ],
    tournament: null,
    seed: 7,
    suiteSha256: hash('suite'),
    warnings: [],
    createdAt: Date.parse('2026-03-01T11:59:50.000Z'),
    finishedAt: Date.parse('2026-03-01T12:00:00.000Z'),
    keepsTexts: false,
    ...changes,
  };
}
