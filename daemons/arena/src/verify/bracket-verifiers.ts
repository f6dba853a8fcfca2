import type { Verdict } from '@labmesh/wire/verification/verdict';
import type { VerificationBlock } from '@labmesh/wire/verification/verification-block';

/** Verifiers that a bracket's certificate needs, named or not (BR1). */
export const bracketVerifiers: Readonly<Record<VerificationBlock['bracket'], readonly string[]>> = {
  none: [],
  opencoder: ['security_audit', 'runtime_verifier'],
};

/** Of a check that is not made because another failed before: it says nothing of the answer. */
export const afterHardFailure = 'AFTER_HARD_FAILURE';

/**
 * A verdict where a pass is needed: settings cannot make it soft, and an answer in which there is nothing to look at is not
 * what was asked for (BR1).
 */
export function neededVerdict(verdict: Verdict): Verdict {
  if (verdict.status !== 'skipped' || verdict.code === afterHardFailure) return { ...verdict, hard: true };
  return {
    ...verdict,
    status: 'failed',
    hard: true,
    scoreModifier: 0,
    message: 'No code blocks found',
    code: 'NO_CODE',
  };
}
