/** What a look at a certificate found, and in the same breath what it did not: a reader takes the silence for a yes. */
import type { AttestCode } from '../attest-refused.ts';
import type { LogEntry } from '../merkle/log-entry.ts';
import { type IsolationLevel, isolationLevels, lowestLevel, properties } from '../statement/properties.ts';
import type { Statement } from '../statement/statement-schema.ts';

export type Verdict = 'valid' | 'invalid' | 'revoked' | 'expired' | 'revocation_unknown';

/** One property, and who says so by what. */
export type Proven = {
  property: string;
  meaning: string;
  verifiers: readonly { name: string; version: string; digest: string; level: IsolationLevel | null }[];
};

export type CertificateReport = {
  verdict: Verdict;
  /** Why it is not valid; undefined when it is. */
  reason: string | undefined;
  code: AttestCode | undefined;
  /** The rest is of the signed statement: undefined while nothing in it could be believed. */
  certificate:
    | {
        id: string;
        bracket: string;
        status: string;
        issuer: string;
        verifier: string;
        model: { id: string; digest: string };
        timeCreated: string;
        issuedAt: string;
        expiresAt: string | null;
      }
    | undefined;
  signedBy: readonly string[];
  log: { origin: string; index: number; size: number; time: string } | undefined;
  proven: readonly Proven[];
  /** The lowest level at which anything of the candidate's ran; null when nothing did. */
  isolation: IsolationLevel | null;
  notProven: readonly string[];
};

export const refusedReport = (code: AttestCode, reason: string): CertificateReport => ({
  verdict: 'invalid',
  reason,
  code,
  certificate: undefined,
  signedBy: [],
  log: undefined,
  proven: [],
  isolation: null,
  notProven: ['anything: the certificate is not valid'],
});

export function provenOf({ predicate }: Statement): Proven[] {
  const { verifiers, security_audit } = predicate.labmesh;
  return predicate.properties.flatMap((name): Proven[] => {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (known === undefined) return [];
    const passed = verifiers.filter((one) => one.name === known.verifier && one.status === 'passed');
    const by = known.verifier === undefined && security_audit !== null ? ` (${security_audit.tool})` : '';
    const named = passed.map((one) => ({
      name: one.name,
      version: one.version,
      digest: one.digest,
      level: one.level,
    }));
    return [{ property: name, meaning: `${known.meaning}${by}`, verifiers: named }];
  });
}

export const isolationOf = ({ predicate }: Statement): IsolationLevel | null =>
  lowestLevel(
    predicate.labmesh.verifiers.flatMap(({ level, status }) => (level === null || status === 'skipped' ? [] : [level])),
  ) ?? null;

/** What holds of every certificate, however much it proves. */
function limitsOf({ predicate }: Statement): string[] {
  const { labmesh, properties: claimed } = predicate;
  const limits = ['that the answer is right: only what is listed as proven was checked'];
  if (claimed.includes('LABMESH_TESTS_PASSED_HIDDEN')) {
    limits.push(`correctness beyond the hidden cases of suite ${labmesh.suite_sha256 ?? ''}`);
  }
  if (labmesh.model.digest === 'unknown') limits.push('which weights answered: the model digest is unknown');
  const strange = claimed.filter((name) => !Object.hasOwn(properties, name) && !name.startsWith('LABMESH_ISOLATION_'));
  for (const name of strange) limits.push(`${name}: a property that is unknown here`);
  const skipped = labmesh.verifiers.filter(({ status }) => status !== 'passed');
  for (const { name, status } of skipped) limits.push(`what ${name} checks: it ${saysOf[status]}`);
  return limits;
}

const saysOf = {
  passed: 'passed',
  failed: 'failed, and was not asked to pass',
  skipped: 'found nothing to check',
  error: 'could not check',
} as const;

/** Properties that the statement does not claim, each as what was not checked. */
const uncheckedOf = ({ predicate }: Statement): string[] =>
  Object.entries(properties)
    .filter(([name]) => !predicate.properties.includes(name))
    .map(([, { meaning }]) => `not checked: ${meaning}`);

export function notProvenOf(statement: Statement, more: readonly string[]): string[] {
  const isolation = isolationOf(statement);
  const weak = isolation === null ? ['isolation: no sandbox was used'] : weaknessOf(isolation);
  return [...limitsOf(statement), ...weak, ...more, ...uncheckedOf(statement)];
}

function weaknessOf(level: IsolationLevel): string[] {
  const index = isolationLevels.indexOf(level);
  return index >= isolationLevels.length - 1 ? [] : [`isolation above ${level}`];
}

export const logOf = (origin: string, index: number, size: number, { time }: LogEntry) => ({
  origin,
  index,
  size,
  time,
});
