/**
 * Verifies a certificate offline: file, trusted keys, and nothing else needed. The same code runs in labctl and in a
 * browser. The order is part of it: nothing of the statement is believed before the signature holds, and what was asked
 * for and is not there (log proof, revocation list) is never passed over in silence.
 */
import { AttestRefused } from '../attest-refused.ts';
import type { Json } from '../json/canonical-json.ts';
import type { Trust } from '../keys/trust.ts';
import { instantOf } from '../statement/instant.ts';
import type { Statement } from '../statement/statement-schema.ts';
import { parseBundle } from './bundle.ts';
import {
  type CertificateReport,
  isolationOf,
  logOf,
  notProvenOf,
  provenOf,
  refusedReport,
} from './certificate-report.ts';
import { checkLogged, checkSignatures } from './check-bundle.ts';
import { checkContent } from './check-content.ts';
import { type StandingOptions, standingOf } from './standing.ts';

export type VerifyOptions = StandingOptions & {
  /** What the certificate is said to be about; compared with what was signed. Needs the salt in the bundle. */
  response?: Json | undefined;
};

const summaryOf = ({ predicate }: Statement): CertificateReport['certificate'] => {
  const { certificate_id, bracket, status, issuer, model, issued_at, expires_at } = predicate.labmesh;
  return {
    id: certificate_id,
    bracket,
    status,
    issuer,
    verifier: predicate.verifier.id,
    model: { id: model.id, digest: model.digest },
    timeCreated: predicate.timeCreated,
    issuedAt: issued_at,
    expiresAt: expires_at,
  };
};

async function verify(file: Uint8Array, trust: Trust, options: VerifyOptions): Promise<CertificateReport> {
  const bundle = parseBundle(file);
  const { statement } = bundle;
  const keys = await checkSignatures(bundle, trust);
  const logged = await checkLogged(bundle, trust);
  checkContent(bundle, options.response);
  const keyids = keys.map(({ keyid }) => keyid);
  const loggedAt = logged === undefined ? undefined : instantOf(logged.entry.time);
  const { verdict, reason, notProven } = await standingOf({ statement, keyids, loggedAt }, trust, options);
  const open = [...notProven];
  if (logged === undefined) open.push('that it is in a transparency log: no log is trusted here');
  if (options.response === undefined) open.push('which answer it is about: no response was compared');
  const isGood = verdict === 'valid' || verdict === 'revocation_unknown';
  return {
    verdict,
    reason,
    code: undefined,
    certificate: summaryOf(statement),
    signedBy: keyids,
    log: logged && trust.log && logOf(trust.log.origin, logged.index, logged.head.size, logged.entry),
    proven: isGood ? provenOf(statement) : [],
    isolation: isolationOf(statement),
    notProven: isGood ? notProvenOf(statement, open) : ['anything: the certificate is not valid now'],
  };
}

/** Never throws for what stands in the file: whatever is wrong with it is the verdict `invalid` with a code. */
export async function verifyCertificate(
  file: Uint8Array,
  trust: Trust,
  options: VerifyOptions,
): Promise<CertificateReport> {
  try {
    return await verify(file, trust, options);
  } catch (error) {
    if (error instanceof AttestRefused) return refusedReport(error.code, error.message);
    throw error;
  }
}
