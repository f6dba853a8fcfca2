/** What the API shows of a certificate beside its bundle: pure functions of what was signed, and of what came after. */
import { parseBundle } from '@labmesh/attest/certificate/bundle';
import { complianceView } from '@labmesh/attest/views/compliance-view';
import { functionalView } from '@labmesh/attest/views/functional-view';
import { z } from 'zod';
import type { CertificateRow } from '../../certify/certificate-rows.ts';

export const viewField = z
  .enum(['bundle', 'dsse', 'statement', 'functional', 'compliance', 'summary', 'jws'])
  .default('bundle');
type View = z.infer<typeof viewField>;

/** @param now Unix ms @param revoked why it is; null = it is not */
export function certificateView(row: CertificateRow, view: View, now: number, revoked: string | null): unknown {
  const { dsse } = JSON.parse(row.bundle) as { dsse: unknown };
  const { statement } = parseBundle(new TextEncoder().encode(row.bundle));
  if (view === 'dsse') return dsse;
  if (view === 'statement') return statement;
  // What was signed cannot tell of its own revocation.
  if (view === 'functional') {
    const found = functionalView(statement, now);
    return revoked === null ? found : { ...found, status: 'invalid' };
  }
  if (view === 'compliance') return complianceView(statement);
  const { predicate } = statement;
  return {
    certificateId: row.id,
    runId: row.run_id,
    status: revoked === null ? (row.expires_at !== null && now >= row.expires_at ? 'expired' : 'valid') : 'revoked',
    properties: predicate.properties,
    bracket: predicate.labmesh.bracket,
    issuedAt: predicate.labmesh.issued_at,
    expiresAt: predicate.labmesh.expires_at,
    logStatus: row.log_index === null ? 'pending' : 'logged',
    logIndex: row.log_index,
    revokedReason: revoked,
  };
}
