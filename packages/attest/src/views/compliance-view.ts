/** The PolicyComplianceCertificate of the original design (spec BR5), as a view of the statement that was signed. */
import type { Statement } from '../statement/statement-schema.ts';

type Report = NonNullable<Statement['predicate']['labmesh']['compliance_report']>;

export type ComplianceView = {
  certificate_id: string;
  trajectory_id: string;
  status: Report['status'];
  compliance_report: Report | null;
  /** Null when it was not run. */
  opa_passed: boolean | null;
  tfsec_passed: boolean | null;
  issued_at: string;
  expires_at: string | null;
  issuer: string;
  metadata: Readonly<Record<string, unknown>>;
};

/** What a verifier found; null when it was not run, had nothing to check, or could not. */
function passedBy({ predicate }: Statement, name: string): boolean | null {
  const status = predicate.labmesh.verifiers.find((one) => one.name === name)?.status;
  if (status === 'passed') return true;
  return status === 'failed' ? false : null;
}

export function complianceView(statement: Statement): ComplianceView {
  const { labmesh, properties } = statement.predicate;
  const { compliance_report: report } = labmesh;
  // terraform_verifier passes without tfsec too, so its word alone is not enough.
  const tfsec = properties.includes('LABMESH_TERRAFORM_TFSEC_OK') ? true : passedBy(statement, 'tfsec');
  return {
    certificate_id: labmesh.certificate_id,
    trajectory_id: labmesh.trajectory_id,
    status: report?.status ?? 'unknown',
    compliance_report: report,
    opa_passed: passedBy(statement, 'opa_verifier'),
    tfsec_passed: tfsec,
    issued_at: labmesh.issued_at,
    expires_at: labmesh.expires_at,
    issuer: labmesh.issuer,
    metadata: labmesh.metadata ?? {},
  };
}
