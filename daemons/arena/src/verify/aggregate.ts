/** One reducer for what all verifiers say of a candidate (V2-V4). Nothing else decides an outcome. */
import type { Aggregate, Outcome, Verdict } from '@labmesh/wire/verification/verdict';

/** What a soft fail multiplies the score by. */
export const softPenaltyDefault = 0.5;

const clamp = (value: number) => Math.min(1, Math.max(0, value));

function outcomeOf(verdicts: readonly Verdict[]): Outcome {
  const hard = (status: Verdict['status']) => verdicts.some((verdict) => verdict.hard && verdict.status === status);
  if (hard('failed')) return 'invalid';
  if (hard('error')) return 'inconclusive';
  return hard('passed') ? 'valid' : 'unchecked';
}

/** Passed as computed, skipped 1, error ignored; a soft fail costs the penalty, a hard one everything. */
function modifierOf(verdict: Verdict, softPenalty: number): number {
  if (verdict.status === 'passed') return clamp(verdict.scoreModifier);
  if (verdict.status === 'failed') return verdict.hard ? 0 : clamp(softPenalty);
  return 1;
}

/**
 * All verdicts of one candidate together. Errors are neither pass nor fail (P4): a hard one makes the outcome
 * inconclusive unless something failed. Without a hard pass nothing was proven: unchecked.
 */
export function aggregate(verdicts: readonly Verdict[], softPenalty: number = softPenaltyDefault): Aggregate {
  const failed = verdicts.filter(({ status }) => status === 'failed');
  return {
    results: [...verdicts],
    allPassed: verdicts.every(({ status }) => status === 'passed' || status === 'skipped'),
    anyHardFailure: failed.some(({ hard }) => hard),
    combinedScoreModifier: verdicts.reduce((score, verdict) => score * modifierOf(verdict, softPenalty), 1),
    failureMessages: failed.map(({ pluginName, message }) => `${pluginName}: ${message}`),
    outcome: outcomeOf(verdicts),
  };
}
