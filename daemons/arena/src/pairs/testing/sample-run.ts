/** Finished runs of tests: any number of candidates, each with what its verifiers said. */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Aggregate, Outcome, Verdict } from '@labmesh/wire/verification/verdict';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import type { FinishedAnswer, FinishedCandidate, FinishedRun } from '../../contract/finished-run.ts';

export const sampleVerdict = (changes: Partial<Verdict> = {}): Verdict => ({
  status: 'passed',
  pluginName: 'code_linter',
  version: '1.0.0',
  digest: 'd'.repeat(64),
  message: '',
  details: {},
  scoreModifier: 1,
  hard: true,
  level: 'SANDBOX_L1_NAMESPACE',
  durationMs: 3,
  evidenceSha256: null,
  code: null,
  ...changes,
});

const statusOf: Readonly<Record<Outcome, Verdict['status']>> = {
  valid: 'passed',
  invalid: 'failed',
  inconclusive: 'error',
  unchecked: 'skipped',
};

export function sampleAnswer(
  answer: string | ChatMessage,
  outcome: Outcome,
  results: Verdict[] = [sampleVerdict({ status: statusOf[outcome] })],
): FinishedAnswer {
  const message = typeof answer === 'string' ? { role: 'assistant', content: answer } : answer;
  const aggregate: Aggregate = {
    results,
    allPassed: outcome === 'valid',
    anyHardFailure: outcome === 'invalid',
    combinedScoreModifier: outcome === 'valid' ? 1 : 0,
    failureMessages: [],
    outcome,
  };
  return { answer: message, digest: sha256Hex(canonicalBytes(message)), aggregate, grants: [] };
}

export function sampleCandidate(
  index: number,
  final: FinishedAnswer | null,
  changes: Partial<FinishedCandidate> = {},
): FinishedCandidate {
  return {
    index,
    sameAs: null,
    state: final === null ? 'failed' : 'generated',
    reason: null,
    sampling: { model: 'tiny', temperature: 0.7, topP: null, topK: null, seed: index, suffix: null },
    model: 'tiny',
    finishReason: 'stop',
    original: final,
    corrections: [],
    final,
    score: 0,
    reward: 0,
    rank: null,
    tokensIn: 10,
    tokensOut: 20,
    costNano: 0,
    latencyMs: 5,
    ...changes,
  };
}

let runs = 0;
/** The first candidate wins unless `changes` say otherwise. */
export function sampleRun(candidates: readonly FinishedCandidate[], changes: Partial<FinishedRun> = {}): FinishedRun {
  return {
    id: `run-${++runs}`,
    tenant: 'acme',
    key: 'key-1',
    requestId: `req-${runs}`,
    mode: 'intercept',
    request: { model: 'tiny', messages: [{ role: 'user', content: `write add, try ${runs}` }] },
    block: verificationBlockSchema.parse({}),
    outcome: 'valid',
    chosen: 0,
    candidates,
    tournament: {
      method: 'round_robin',
      judge: 'judge-1',
      judgeKind: 'llm',
      promptSha256: null,
      order: candidates.map(({ index }) => index),
      matches: [],
      legs: [],
    },
    seed: 1,
    suiteSha256: null,
    warnings: [],
    createdAt: 1_766_275_200_000,
    finishedAt: 1_766_275_201_000,
    keepsTexts: true,
    ...changes,
  };
}

/** A run with one verified pair. */
export const samplePairRun = (changes: Partial<FinishedRun> = {}): FinishedRun =>
  sampleRun(
    [
      sampleCandidate(0, sampleAnswer(`def f(a, b): return a + b  # ${runs}`, 'valid'), { score: 1 }),
      sampleCandidate(1, sampleAnswer('def f(a, b) return a + b', 'invalid')),
    ],
    changes,
  );
