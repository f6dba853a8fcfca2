import type { Comparison, Judge, Judged } from '../contract/judge.ts';

/** What a failed answer gets, and what one gets beside it (AR14). */
const failedScore = -10;
const besideFailed = 1;

const failed = ({ aggregate }: Judged) => aggregate.outcome === 'invalid';

/**
 * Verifiers before judges (AR14): who failed verification gets -10 and nobody is asked; else the inner judge's scores
 * times what verifiers left of each. The callers' metadata stands in `details`, beside the outcome.
 */
export function compositeJudge(inner: Judge): Judge {
  return {
    name: `composite:${inner.name}`,
    kind: 'composite',
    promptSha256: inner.promptSha256,
    models: inner.models,
    compare: async (a, b, signal, onSpent) => {
      const told = { a: a.metadata ?? {}, b: b.metadata ?? {} };
      const settled = byVerification(a, b);
      if (settled !== null) return { ...settled, rationale: null, usd: 0, details: { ...settled.details, ...told } };
      const asked = await inner.compare(a, b, signal, onSpent);
      if (asked === null) return null;
      return {
        ...asked,
        scoreA: asked.scoreA * a.aggregate.combinedScoreModifier,
        scoreB: asked.scoreB * b.aggregate.combinedScoreModifier,
        details: { ...asked.details, outcome: 'arena_comparison', ...told },
      };
    },
  };
}

type Settled = Pick<NonNullable<Comparison>, 'scoreA' | 'scoreB'> & { details: { outcome: string } };

function byVerification(a: Judged, b: Judged): Settled | null {
  const settled = (outcome: string, scoreA: number, scoreB: number) => ({ scoreA, scoreB, details: { outcome } });
  if (failed(a) && failed(b)) return settled('both_failed_verification', failedScore, failedScore);
  if (failed(a)) return settled('a_failed_verification', failedScore, besideFailed);
  if (failed(b)) return settled('b_failed_verification', besideFailed, failedScore);
  return null;
}
