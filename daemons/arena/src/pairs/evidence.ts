/**
 * What of a verdict list may teach. Tests that the candidate wrote for itself prove nothing of it (V14), so they neither
 * make an answer "chosen" nor another "rejected"; and what failed is told without anything of hidden cases (V20).
 */
import type { FinishedAnswer } from '../contract/finished-run.ts';
import type { Aggregate, Verdict } from '@labmesh/wire/verification/verdict';

/** Reasons of one rejected answer, and characters of each. */
export const reasonsMost = 16;
export const reasonCharsMost = 200;

const runsCode = 'runtime_verifier';
/** The verdict rests on the candidate's own tests: graded by them, or all that failed. */
const isSelfTest = ({ pluginName, status, details }: Verdict) =>
  pluginName === runsCode && (details['grade'] === 'suite' || (status === 'failed' && 'self_tests' in details));
const hardOnes = ({ results }: Aggregate, status: Verdict['status']) =>
  results.filter((verdict) => verdict.hard && verdict.status === status && !isSelfTest(verdict));

/** Valid, and not by its own tests alone. */
export const isProvenValid = ({ aggregate }: FinishedAnswer): boolean =>
  aggregate.outcome === 'valid' && hardOnes(aggregate, 'passed').length > 0;

/** Invalid, and not by its own tests alone. Inconclusive and unchecked are never "rejected" (V4). */
export const isProvenInvalid = ({ aggregate }: FinishedAnswer): boolean =>
  aggregate.outcome === 'invalid' && hardOnes(aggregate, 'failed').length > 0;

/** Names of the hard verifiers that an answer passed. */
export const passedNames = ({ aggregate }: FinishedAnswer): string[] => [
  ...new Set(hardOnes(aggregate, 'passed').map(({ pluginName }) => pluginName)),
];

const oneLine = (text: string) =>
  text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();

function reasonOf(verdict: Verdict, hidden: boolean): string {
  const name = verdict.code === null ? verdict.pluginName : `${verdict.pluginName} ${verdict.code}`;
  // What code prints may quote the input of a hidden case.
  const secret = hidden && (verdict.level !== null || verdict.pluginName === runsCode);
  const text = oneLine(secret || verdict.message === '' ? name : `${name}: ${verdict.message}`);
  return text.length <= reasonCharsMost ? text : `${text.slice(0, reasonCharsMost - 1).toWellFormed()}…`;
}

/** Why an answer was rejected, a line each. `hidden`: a suite was at work, so verifiers that ran code are only named. */
export const failureReasons = ({ aggregate }: FinishedAnswer, hidden: boolean): string[] =>
  aggregate.results
    .filter((verdict) => verdict.status === 'failed' && !isSelfTest(verdict))
    .slice(0, reasonsMost)
    .map((verdict) => reasonOf(verdict, hidden));
