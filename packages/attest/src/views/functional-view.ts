/** The FunctionalCertaintyCertificate of the original design (spec BR3), as a view of the statement that was signed. */
import { instantOf } from '../statement/instant.ts';
import type { Statement } from '../statement/statement-schema.ts';

export type FunctionalView = {
  certificate_id: string;
  trajectory_id: string;
  status: 'valid' | 'invalid' | 'pending' | 'expired';
  execution_proof: {
    execution_id: string;
    code_hash: string;
    exit_code: number;
    stdout_hash: string;
    stderr_hash: string;
    execution_time_ms: number;
    tests_passed: number;
    tests_total: number;
    timestamp: string;
  } | null;
  security_audit: { tool: string; passed: boolean; findings_count: number } | null;
  network_policy_check: boolean;
  issued_at: string;
  expires_at: string | null;
  issuer: string;
  metadata: Readonly<Record<string, unknown>>;
};

/** Characters of a hash in this form. */
const hashChars = 16;

/** @param now Unix milliseconds: whether it has expired is the one thing that the statement cannot tell by itself. */
export function functionalView({ predicate }: Statement, now: number): FunctionalView {
  const { labmesh } = predicate;
  const { execution_proof: proof, security_audit: audit, expires_at } = labmesh;
  const leash = labmesh.verifiers.find(({ name }) => name === 'leash_verifier');
  return {
    certificate_id: labmesh.certificate_id,
    trajectory_id: labmesh.trajectory_id,
    status: expires_at !== null && now >= instantOf(expires_at) ? 'expired' : 'valid',
    execution_proof: proof && {
      execution_id: proof.execution_id,
      code_hash: proof.code_hash.slice(0, hashChars),
      exit_code: proof.exit_code,
      stdout_hash: proof.stdout_hash.slice(0, hashChars),
      stderr_hash: proof.stderr_hash.slice(0, hashChars),
      execution_time_ms: proof.execution_time_ms,
      tests_passed: proof.tests_passed,
      tests_total: proof.tests_total,
      timestamp: proof.timestamp,
    },
    security_audit: audit && { tool: audit.tool, passed: audit.passed, findings_count: audit.findings_count },
    // An answer without an intent has nothing to check, which counts as true (spec BR1).
    network_policy_check: leash?.status === 'passed' || leash?.status === 'skipped',
    issued_at: labmesh.issued_at,
    expires_at,
    issuer: labmesh.issuer,
    metadata: labmesh.metadata ?? {},
  };
}
