/**
 * Whether the parts of a statement bear each other out. Looked at before signing and again by whoever verifies: a
 * signature makes a contradiction no truer.
 */
import { AttestRefused } from '../attest-refused.ts';
import { instantOf } from './instant.ts';
import { isolationProperty, lowestLevel, properties } from './properties.ts';
import type { Statement } from './statement-schema.ts';

const refuse = (what: string) => new AttestRefused('CLAIM_UNSUPPORTED', what);

/** The subjects a certificate is about, each once. */
const subjects = ['response', 'request', 'trajectory'];

type Labmesh = Statement['predicate']['labmesh'];

/** Verifiers that parse or run what the candidate wrote: without a stated level they prove nothing (spec P1). */
const sandboxed = [
  'code_linter',
  'json_schema',
  'opa_verifier',
  'runtime_verifier',
  'terraform_verifier',
  'infra_sandbox',
];

/** Spec V3 and V4: valid needs a hard verifier that passed, and none that failed or could not check. */
function checkOutcome({ verifiers }: Labmesh): void {
  const hard = verifiers.filter((one) => one.hard);
  const fallen = hard.find(({ status }) => status === 'failed' || status === 'error');
  if (fallen !== undefined) throw refuse(`a hard verifier did not pass: ${fallen.name}`);
  if (!hard.some(({ status }) => status === 'passed')) throw refuse('no hard verifier passed');
  const open = verifiers.find(
    ({ name, status, level }) => status === 'passed' && level === null && sandboxed.includes(name),
  );
  if (open !== undefined) throw refuse(`no isolation level is stated for ${open.name}`);
}

/** What each bracket asks for (spec BR1, BR5). */
function checkBracket({ bracket, status, execution_proof, security_audit, compliance_report }: Labmesh): void {
  if (bracket === 'opencloudinfra') {
    if (compliance_report?.status !== status) throw refuse('the status is not that of the compliance report');
    return;
  }
  if (status !== 'valid') throw refuse(`the status ${status} is none of ${bracket}`);
  if (bracket === 'none') return;
  if (execution_proof?.exit_code !== 0) throw refuse('OpenCoder without an execution that ended with 0');
  if (security_audit?.passed !== true) throw refuse('OpenCoder without a security audit that passed');
}

/** Every property that is known has something that bears it out. */
function checkProperty(name: string, { verifiers, suite_sha256, security_audit, execution_proof }: Labmesh): void {
  const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (name === 'LABMESH_AUDIT_OK') {
    if (security_audit?.passed !== true) throw refuse(`${name} without an audit that passed`);
  } else if (known !== undefined) {
    const passed = verifiers.some((one) => one.name === known.verifier && one.status === 'passed');
    if (!passed) throw refuse(`${name} without ${known.verifier} that passed`);
  }
  if (name === 'LABMESH_EXECUTED_EXIT_0' && (execution_proof?.exit_code ?? 0) !== 0) throw refuse(`${name} belied`);
  if (name === 'LABMESH_TESTS_PASSED_HIDDEN' && suite_sha256 === null) throw refuse(`${name} without a suite`);
}

function checkIsolation(claimed: readonly string[], { verifiers }: Labmesh): void {
  const used = verifiers.flatMap(({ level, status }) => (level === null || status === 'skipped' ? [] : [level]));
  const lowest = lowestLevel(used);
  const expected = lowest === undefined ? [] : [isolationProperty(lowest)];
  const stated = claimed.filter((name) => name.startsWith('LABMESH_ISOLATION_'));
  if (stated.join(' ') !== expected.join(' ')) throw refuse('the isolation stated is not the lowest level used');
}

function checkTimes(timeCreated: string, { issued_at, expires_at }: Labmesh): void {
  if (instantOf(timeCreated) > instantOf(issued_at)) throw refuse('issued before it was verified');
  if (expires_at !== null && instantOf(expires_at) <= instantOf(issued_at)) throw refuse('it expires before it begins');
}

/** @throws AttestRefused CLAIM_UNSUPPORTED */
export function checkClaims({ subject, predicate }: Statement): void {
  const { labmesh, properties: claimed, timeCreated } = predicate;
  for (const name of subjects) {
    if (subject.filter((one) => one.name === name).length !== 1) throw refuse(`not one subject named ${name}`);
  }
  if (new Set(claimed).size !== claimed.length) throw refuse('a property stands twice');
  checkOutcome(labmesh);
  checkBracket(labmesh);
  for (const name of claimed) checkProperty(name, labmesh);
  checkIsolation(claimed, labmesh);
  checkTimes(timeCreated, labmesh);
}
