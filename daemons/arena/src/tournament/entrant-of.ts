import type { Aggregate, Verdict } from '@labmesh/wire/verification/verdict';
import type { Entrant } from '../contract/tournament.ts';

/** Classes of AR11, by name of the verifier: not the same as `hard`, which an operator may switch. */
const hardOnes: ReadonlySet<string> = new Set([
  'runtime_verifier',
  'terraform_verifier',
  'infra_sandbox',
  'code_linter',
]);
const executing: ReadonlySet<string> = new Set(['runtime_verifier', 'terraform_verifier']);
const securing: ReadonlySet<string> = new Set(['safety_filter', 'leash_verifier', 'opa_verifier']);

const classWeights = { hardPass: 10, softPass: 3, partial: 1.5, nothing: 1, softFail: 0.5, hardFail: 0.1 } as const;
const executionFactor = 6;
const securityFactor = 3;

function classOf(passed: readonly Verdict[], failed: readonly Verdict[]): keyof typeof classWeights {
  const hard = ({ pluginName }: Verdict) => hardOnes.has(pluginName);
  if (failed.some(hard)) return 'hardFail';
  if (failed.length > 0) return passed.length > 0 ? 'partial' : 'softFail';
  if (passed.some(hard)) return 'hardPass';
  return passed.length > 0 ? 'softPass' : 'nothing';
}

/** How much a candidate's judged score counts (AR11). Skipped verdicts and errors count for none of the classes. */
export function verificationWeight({ results, combinedScoreModifier }: Aggregate): number {
  const passed = results.filter(({ status }) => status === 'passed');
  const failed = results.filter(({ status }) => status === 'failed');
  const has = (verdicts: readonly Verdict[], names: ReadonlySet<string>) =>
    verdicts.some(({ pluginName }) => names.has(pluginName));
  const executed = has(passed, executing) ? executionFactor : 1;
  const secured = has(passed, securing) && !has(failed, securing) ? securityFactor : 1;
  return classWeights[classOf(passed, failed)] * executed * secured * combinedScoreModifier;
}

/** A verified candidate as a tournament takes it. Who ranks answers that nothing could check sets `valid` for them. */
export function entrantOf(aggregate: Aggregate, score: number, costUsd: number): Entrant {
  return { valid: aggregate.outcome === 'valid', score, costUsd, weight: verificationWeight(aggregate) };
}
