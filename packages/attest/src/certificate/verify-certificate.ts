/**
 * Verifies a certificate offline: file, trusted keys, and nothing else needed. The same code runs in labctl and in a
 * browser. The order is part of it: nothing of the statement is believed before the signature holds, and what was asked
 * for and is not there (log proof, revocation list) is never passed over in silence.
 */
import { AttestRefused } from '../attest-refused.ts';
import { type Envelope, pae } from '../dsse/envelope.ts';
import { verifyOwnEnvelope } from '../dsse/verify-envelope.ts';
import type { Json } from '../json/canonical-json.ts';
import { isInForce, keysFor, type Trust, type TrustedKey } from '../keys/trust.ts';
import type { ProvenEntry } from '../merkle/tlog-proof.ts';
import { verifyProof } from '../merkle/tlog-proof.ts';
import { sha256Hex } from '../sha256.ts';
import { instantOf } from '../statement/instant.ts';
import { saltedDigest } from '../statement/salted-digest.ts';
import { type Statement, statementPayloadType } from '../statement/statement.ts';
import { type Bundle, parseBundle } from './bundle.ts';
import {
  type CertificateReport,
  isolationOf,
  logOf,
  notProvenOf,
  provenOf,
  refusedReport,
  type Verdict,
} from './certificate-report.ts';
import { openRevocations, type RevocationList, revocationOf } from './revocations.ts';

export type VerifyOptions = {
  /** Unix milliseconds. */
  now: number;
  /** The signed list. Without it the verdict is `revocation_unknown`, unless `revocationsUnknown` says that this is known. */
  revocations?: Uint8Array | undefined;
  /** The caller takes it on himself that the certificate may have been revoked. */
  revocationsUnknown?: boolean | undefined;
  /** What the certificate is said to be about; compared with what was signed. Needs the salt in the bundle. */
  response?: Json | undefined;
};

/** How far ahead clocks may be, milliseconds. */
const skewMs = 300_000;
/** How long after its issue a certificate may be logged: longer ago nobody can date back with a key that was stolen. */
const loggedWithinMs = 86_400_000;

const refuse = (code: ConstructorParameters<typeof AttestRefused>[0], what: string) => new AttestRefused(code, what);

async function checkSignatures(envelope: Envelope, statement: Statement, trust: Trust): Promise<readonly TrustedKey[]> {
  const keys = keysFor(trust, 'certificate');
  const signedBy = await verifyOwnEnvelope(envelope, statementPayloadType, keys, trust.threshold);
  const at = instantOf(statement.predicate.labmesh.issued_at);
  const inForce = signedBy.filter((key) => isInForce(key, at));
  if (inForce.length < trust.threshold) throw refuse('KEY_WINDOW', 'it was issued while its key was not in force');
  return inForce;
}

/** The log's word on this very certificate. With a log trusted, no proof is no certificate. */
async function checkLogged({ envelope, statement, tlogProof }: Bundle, trust: Trust): Promise<ProvenEntry | undefined> {
  if (trust.log === undefined) return undefined;
  if (tlogProof === undefined) throw refuse('LOG_PROOF_MISSING', 'it bears no proof that it is logged');
  const proven = await verifyProof(tlogProof, trust.log);
  const { kind, id, sha256, time } = proven.entry;
  const { certificate_id, issued_at } = statement.predicate.labmesh;
  if (kind !== 'certificate' || id !== certificate_id) throw refuse('LOG_PROOF_BAD', 'the entry logged is of another');
  if (sha256 !== sha256Hex(pae(envelope.payloadType, envelope.payload))) {
    throw refuse('LOG_PROOF_BAD', 'what is logged under this id is something else');
  }
  const delayMs = instantOf(time) - instantOf(issued_at);
  if (delayMs < -skewMs) throw refuse('LOG_PROOF_BAD', 'it was logged before it was issued');
  if (delayMs > loggedWithinMs)
    throw refuse('LOG_PROOF_BAD', 'it was logged more than a day after it says it was issued');
  return proven;
}

function checkContent({ salt, statement }: Bundle, response: Json | undefined): void {
  if (salt !== undefined && sha256Hex(salt) !== statement.predicate.labmesh.salt_sha256) {
    throw refuse('SALT_BAD', 'the salt is not the one that was signed');
  }
  if (response === undefined) return;
  if (salt === undefined) throw refuse('SALT_BAD', 'the bundle holds no salt to compare the response by');
  const signed = statement.subject.find(({ name }) => name === 'response')?.digest.sha256;
  if (signed !== saltedDigest(salt, response)) {
    throw refuse('RESPONSE_DIFFERS', 'the response is not the one that was certified');
  }
}

type Standing = { verdict: Verdict; reason: string | undefined; notProven: string[] };

/** The list, or why there is none to go by. A false list is no fault of the certificate: nothing is known then. */
async function readList(file: Uint8Array | undefined, trust: Trust): Promise<RevocationList | string> {
  if (file === undefined) return 'no revocation list was given';
  try {
    return await openRevocations(file, trust);
  } catch (error) {
    if (error instanceof AttestRefused) return `the revocation list is not good: ${error.message}`;
    throw error;
  }
}

async function standingOf(
  { statement }: Bundle,
  trust: Trust,
  keys: readonly TrustedKey[],
  logged: ProvenEntry | undefined,
  { now, revocations, revocationsUnknown }: VerifyOptions,
): Promise<Standing> {
  const { expires_at, issued_at } = statement.predicate.labmesh;
  if (instantOf(issued_at) > now + skewMs) throw refuse('KEY_WINDOW', 'it was issued in the future');
  const list = await readList(revocations, trust);
  const loggedAt = logged === undefined ? undefined : instantOf(logged.entry.time);
  const keyids = keys.map(({ keyid }) => keyid);
  // A stale list still proves what stands in it.
  const revoked = typeof list === 'string' ? undefined : revocationOf(list, { statement, keyids, loggedAt });
  if (revoked) return { verdict: 'revoked', reason: `revoked: ${revoked.reason} (${revoked.time})`, notProven: [] };
  if (expires_at !== null && now >= instantOf(expires_at)) {
    return { verdict: 'expired', reason: `expired ${expires_at}`, notProven: [] };
  }
  const unknown = typeof list === 'string' ? list : staleness(list, now);
  if (unknown === undefined) return { verdict: 'valid', reason: undefined, notProven: [] };
  const notProven = [`that it was not revoked: ${unknown}`];
  if (revocationsUnknown === true && revocations === undefined)
    return { verdict: 'valid', reason: undefined, notProven };
  return { verdict: 'revocation_unknown', reason: unknown, notProven };
}

const staleness = (list: RevocationList, now: number): string | undefined =>
  now >= instantOf(list.expires_at) ? `the revocation list expired ${list.expires_at}` : undefined;

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
  const { envelope, statement } = bundle;
  const keys = await checkSignatures(envelope, statement, trust);
  const logged = await checkLogged(bundle, trust);
  checkContent(bundle, options.response);
  const { verdict, reason, notProven } = await standingOf(bundle, trust, keys, logged, options);
  const open = [...notProven];
  if (logged === undefined) open.push('that it is in a transparency log: no log is trusted here');
  if (options.response === undefined) open.push('which answer it is about: no response was compared');
  const isGood = verdict === 'valid' || verdict === 'revocation_unknown';
  return {
    verdict,
    reason,
    code: undefined,
    certificate: summaryOf(statement),
    signedBy: keys.map(({ keyid }) => keyid),
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
