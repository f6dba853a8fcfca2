/**
 * Revocations (spec CT7). A list has a number and ends after 24 hours: an old one cannot be shown for long in place of
 * a newer one. It is signed by keys for revocations alone, so that no key can take back its own end.
 */
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { readEnvelope, signedHash, signEnvelope } from '../dsse/envelope.ts';
import { verifyOwnEnvelope } from '../dsse/verify-envelope.ts';
import { canonicalBytes } from '../json/canonical-json.ts';
import { parseCanonicalJson } from '../json/parse-json.ts';
import type { Signer } from '../keys/signing-key.ts';
import { isInForce, keysFor, type Trust } from '../keys/trust.ts';
import { entryBytes } from '../merkle/log-entry.ts';
import { instant, instantOf, instantText } from '../statement/instant.ts';

const revocationPayloadType = 'application/vnd.labmesh.revocation+json';
export const revocationsPayloadType = 'application/vnd.labmesh.revocations+json';

export const revocationReasons = [
  'key_compromise',
  'policy_error',
  'verifier_bug',
  'cheat_found',
  'superseded',
  'tenant_request',
] as const;
export type RevocationReason = (typeof revocationReasons)[number];

/** How long a list is good for. */
const listHours = 24;
const revocationsMax = 4096;
const name = z.string().min(1).max(200);

export const revocationSchema = z
  .looseObject({
    certificate_id: name.optional(),
    keyid: name.optional(),
    /** Every certificate that names this verifier's digest. */
    verifier_digest: name.optional(),
    reason: z.enum(revocationReasons),
    /** Of a key: what was logged before stays valid. */
    time: instant,
    by: name,
  })
  .refine(
    ({ certificate_id, keyid, verifier_digest }) =>
      [certificate_id, keyid, verifier_digest].filter((target) => target !== undefined).length === 1,
    'not one target',
  );
export type Revocation = z.infer<typeof revocationSchema>;

const list = z.looseObject({
  number: z.int().nonnegative(),
  issued_at: instant,
  expires_at: instant,
  revocations: z.array(revocationSchema).max(revocationsMax),
});
export type RevocationList = z.infer<typeof list>;

/** The signed list, bytes of a file. @throws AttestRefused REVOCATIONS_BAD when it is none, such as one with too many. */
export async function signRevocations(
  number: number,
  revocations: readonly Revocation[],
  at: number,
  signer: Signer,
): Promise<Uint8Array<ArrayBuffer>> {
  const parsed = list.safeParse({
    number,
    issued_at: instantText(at),
    expires_at: instantText(at + listHours * 3_600_000),
    revocations,
  });
  if (!parsed.success) throw new AttestRefused('REVOCATIONS_BAD', 'no revocation list');
  return canonicalBytes(await signEnvelope(revocationsPayloadType, canonicalBytes(parsed.data), [signer]));
}

/** The log's entry of a revocation. Its hash is that of the PAE of the revocation as the list has it, for anybody to compute. */
export function revocationEntry(one: Revocation): Uint8Array<ArrayBuffer> {
  const payload = canonicalBytes(revocationSchema.parse(one));
  const sha256 = signedHash({ payloadType: revocationPayloadType, payload });
  const id = one.certificate_id ?? one.keyid ?? one.verifier_digest ?? '';
  return entryBytes({ v: 1, kind: 'revocation', id, sha256, time: one.time });
}

/**
 * A list that a key for revocations signed while it was in force.
 * @throws AttestRefused REVOCATIONS_BAD, SIGNATURE_BAD, PAYLOAD_TYPE, ENVELOPE_BAD, JSON_BAD, JSON_NOT_CANONICAL
 */
export async function openRevocations(file: Uint8Array, trust: Trust): Promise<RevocationList> {
  const envelope = readEnvelope(parseCanonicalJson(file));
  const signedBy = await verifyOwnEnvelope(envelope, revocationsPayloadType, keysFor(trust, 'revocation'), 1);
  const parsed = list.safeParse(parseCanonicalJson(envelope.payload));
  if (!parsed.success) throw new AttestRefused('REVOCATIONS_BAD', 'not a revocation list');
  if (!signedBy.some((key) => isInForce(key, instantOf(parsed.data.issued_at)))) {
    throw new AttestRefused('KEY_WINDOW', 'the list is not of the time of the key that signed it');
  }
  return parsed.data;
}
