/**
 * What a certificate says of its checks against the same checks made again (verification CT8). Only what is the same
 * verifier, by its digest, can be held against it: another version or configuration is another check.
 */
import type { Statement } from '@labmesh/attest/statement/statement-schema';
import type { Aggregate, Verdict } from '@labmesh/wire/verification/verdict';
import type { LeftOut } from './reproduce-checks.ts';

type Labmesh = Statement['predicate']['labmesh'];

export type ComparedCheck = {
  /** A verifier, `execution_proof` or `audit findings`. */
  name: string;
  result: 'same' | 'differs' | 'not_made';
  /** Why it is not `same`; of what a stranger's file and an answer's code say. */
  reason: string | null;
};

/** What the call was given beside the answer: verdicts of some verifiers rest on it. */
type GivenBeside = { tools: boolean; schema: boolean; language: boolean };

const same = (name: string): ComparedCheck => ({ name, result: 'same', reason: null });
const differs = (name: string, reason: string): ComparedCheck => ({ name, result: 'differs', reason });
const notMade = (name: string, reason: string): ComparedCheck => ({ name, result: 'not_made', reason });

/** Verifiers whose finding may be another one because a flag is missing: nothing of those is signed. */
const restsOn: Readonly<Record<string, readonly (keyof GivenBeside)[]>> = {
  tool_validator: ['tools'],
  json_schema: ['schema'],
  code_linter: ['language'],
  security_audit: ['language'],
  runtime_verifier: ['language'],
};

/** What of a verdict has to come out the same; undefined when all did. */
function otherFinding(signed: Labmesh['verifiers'][number], found: Verdict): string | undefined {
  if (found.status !== signed.status) return `signed is ${signed.status}, found is ${found.status}: ${found.message}`;
  if (found.evidenceSha256 !== signed.evidence_sha256) return 'the digest of what was seen is another one';
  return undefined;
}

function compareVerifier(
  signed: Labmesh['verifiers'][number],
  found: Verdict | undefined,
  given: GivenBeside,
): ComparedCheck {
  const { name } = signed;
  if (found === undefined) return notMade(name, 'there is no such verifier here');
  if (found.digest !== signed.digest) {
    const versions = found.version === signed.version ? '' : ` (signed ${signed.version}, here ${found.version})`;
    return notMade(name, `here it has another version or configuration${versions}`);
  }
  if (found.status === 'error') return notMade(name, `${found.message} (${found.code ?? 'error'})`);
  if (found.code === 'AFTER_HARD_FAILURE') return notMade(name, found.message);
  const other = otherFinding(signed, found);
  if (other === undefined) return same(name);
  const missing = restsOn[name]?.filter((flag) => !given[flag]) ?? [];
  const isNothingSeen = signed.status === 'passed' && found.status === 'skipped' && missing.length > 0;
  if (isNothingSeen) return notMade(name, `nothing to look at: ${missing.map((flag) => `--${flag}`).join(', ')}?`);
  return differs(name, other);
}

const proofFields = ['code_hash', 'exit_code', 'stdout_hash', 'stderr_hash', 'tests_passed', 'tests_total'] as const;

function compareExecution(signed: NonNullable<Labmesh['execution_proof']>, { details }: Verdict): ComparedCheck {
  const found = (details['execution'] ?? {}) as Readonly<Record<string, unknown>>;
  const others = proofFields.filter((field) => found[field] !== signed[field]);
  if (others.length === 0) return same('execution_proof');
  return differs('execution_proof', `another ${others.join(', ')}`);
}

/** Verifiers in the order of the certificate, then what it says of executions and audits. */
export function compareChecks(
  labmesh: Labmesh,
  { aggregate: { results }, leftOut }: { aggregate: Aggregate; leftOut: LeftOut },
  given: GivenBeside,
): ComparedCheck[] {
  const verdictOf = (name: string) => results.find(({ pluginName }) => pluginName === name);
  const checks = labmesh.verifiers.map((signed) => {
    const { name } = signed;
    const reason = Object.hasOwn(leftOut, name) ? leftOut[name] : undefined;
    return reason === undefined ? compareVerifier(signed, verdictOf(name), given) : notMade(name, reason);
  });
  const isMade = (name: string) => checks.some((one) => one.name === name && one.result !== 'not_made');
  const { execution_proof: proof, security_audit: audit } = labmesh;
  const [run, audited] = [verdictOf('runtime_verifier'), verdictOf('security_audit')];
  // What is signed beside the checks and rests on none of them was made by nobody.
  const isSigned = (name: string) => labmesh.verifiers.some((one) => one.name === name);
  if (proof !== null && !isSigned('runtime_verifier'))
    checks.push(notMade('execution_proof', 'no runtime_verifier is signed beside it'));
  if (audit !== null && !isSigned('security_audit'))
    checks.push(notMade('audit findings', 'no security_audit is signed beside them'));
  if (proof !== null && run !== undefined && isMade('runtime_verifier')) checks.push(compareExecution(proof, run));
  if (audit !== null && audited !== undefined && isMade('security_audit')) {
    const { tool, findings_count: count } = audited.details;
    const isSame = tool === audit.tool && count === audit.findings_count;
    const found = `signed are ${audit.findings_count} findings of ${audit.tool}`;
    checks.push(isSame ? same('audit findings') : differs('audit findings', found));
  }
  return checks;
}
