/** The parts of a certificate, each against what is trusted: signatures and log proof. */
import { type AttestCode, AttestRefused } from '../attest-refused.ts';
import { signedHash } from '../dsse/envelope.ts';
import { verifyOwnEnvelope } from '../dsse/verify-envelope.ts';
import { isInForce, keysFor, type Trust, type TrustedKey } from '../keys/trust.ts';
import { type ProvenEntry, verifyProof } from '../merkle/tlog-proof.ts';
import { instantOf } from '../statement/instant.ts';
import { statementPayloadType } from '../statement/statement-schema.ts';
import type { Bundle } from './bundle.ts';

/** How far ahead clocks may be, milliseconds. */
export const skewMs = 300_000;
/** How long after its issue a certificate may be logged: longer ago nobody can date back with a key that was stolen. */
const loggedWithinMs = 86_400_000;

const refuse = (code: AttestCode, what: string) => new AttestRefused(code, what);

/** The trusted keys that signed, in their time. @throws AttestRefused SIGNATURE_BAD, KEY_WINDOW, PAYLOAD_TYPE */
export async function checkSignatures({ envelope, statement }: Bundle, trust: Trust): Promise<readonly TrustedKey[]> {
  const keys = keysFor(trust, 'certificate');
  const signedBy = await verifyOwnEnvelope(envelope, statementPayloadType, keys, trust.threshold);
  const at = instantOf(statement.predicate.labmesh.issued_at);
  const inForce = signedBy.filter((key) => isInForce(key, at));
  if (inForce.length < trust.threshold) throw refuse('KEY_WINDOW', 'it was issued while its key was not in force');
  return inForce;
}

/**
 * The log's word on this very certificate. With a log trusted, no proof is no certificate.
 * @throws AttestRefused LOG_PROOF_MISSING, LOG_PROOF_BAD, and as the proof's parsers do
 */
export async function checkLogged(
  { envelope, statement, tlogProof }: Bundle,
  trust: Trust,
): Promise<ProvenEntry | undefined> {
  if (trust.log === undefined) return undefined;
  if (tlogProof === undefined) throw refuse('LOG_PROOF_MISSING', 'it bears no proof that it is logged');
  const proven = await verifyProof(tlogProof, trust.log);
  const { kind, id, sha256, time } = proven.entry;
  const { certificate_id, issued_at } = statement.predicate.labmesh;
  if (kind !== 'certificate' || id !== certificate_id) throw refuse('LOG_PROOF_BAD', 'the entry logged is of another');
  if (sha256 !== signedHash(envelope)) {
    throw refuse('LOG_PROOF_BAD', 'what is logged under this id is something else');
  }
  const delayMs = instantOf(time) - instantOf(issued_at);
  if (delayMs < -skewMs) throw refuse('LOG_PROOF_BAD', 'it was logged before it was issued');
  if (delayMs > loggedWithinMs)
    throw refuse('LOG_PROOF_BAD', 'it was logged more than a day after it says it was issued');
  return proven;
}
