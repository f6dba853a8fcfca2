import type { Judge } from '../contract/judge.ts';

const scoreMost = 10;

/** Compares what verifiers say: costs nothing, never fails, and says nothing of what they do not see. */
export const deterministicJudge: Judge = {
  name: 'verifier_score',
  kind: 'deterministic',
  promptSha256: null,
  models: [],
  compare: (a, b, signal) => {
    signal.throwIfAborted();
    return Promise.resolve({ scoreA: a.score * scoreMost, scoreB: b.score * scoreMost, rationale: null, usd: 0 });
  },
};
