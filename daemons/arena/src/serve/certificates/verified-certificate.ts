/** A certificate as the original's `POST /verify` shows it (verification AR22): read from what was signed. */
import { parseBundle } from '@labmesh/attest/certificate/bundle';
import type { Store } from '@labmesh/store/store';
import { findCertificate } from '../../certify/certificate-rows.ts';

export type VerifiedCertificate = {
  certificateId: string;
  status: 'valid';
  issuedAt: string;
  expiresAt: string | null;
  /** Policies of hosts and infrastructure are looked at by nobody yet: null is no pass. */
  verificationResults: { leash: null; opa: null; execution: { passed: boolean; sandboxed: boolean } | null };
};

/** null when the tenant has none with this id. */
export async function verifiedCertificate(
  store: Store,
  tenant: string,
  id: string,
): Promise<VerifiedCertificate | null> {
  const row = await findCertificate(store, tenant, id);
  if (row === undefined) return null;
  const { labmesh } = parseBundle(new TextEncoder().encode(row.bundle)).statement.predicate;
  const runtime = labmesh.verifiers.find(({ name, status }) => name === 'runtime_verifier' && status !== 'skipped');
  return {
    certificateId: row.id,
    status: 'valid',
    issuedAt: labmesh.issued_at,
    expiresAt: labmesh.expires_at,
    verificationResults: {
      leash: null,
      opa: null,
      execution:
        runtime === undefined ? null : { passed: runtime.status === 'passed', sandboxed: runtime.level !== null },
    },
  };
}
