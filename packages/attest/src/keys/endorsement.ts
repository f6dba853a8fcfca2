/** One key's word for the next (spec CT6): with it a verifier follows a rotation without a second safe way. */
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { equalBytes } from '../bytes/bytes.ts';
import { type EnvelopeJson, readEnvelope, signEnvelope } from '../dsse/envelope.ts';
import { verifyOwnEnvelope } from '../dsse/verify-envelope.ts';
import { canonicalBytes } from '../json/canonical-json.ts';
import { parseCanonicalJson } from '../json/parse-json.ts';
import { instant, instantOf, instantText } from '../statement/instant.ts';
import type { Signer } from './signing-key.ts';
import type { TrustedKey } from './trust.ts';

const keyPayloadType = 'application/vnd.labmesh.key+json';

const schema = z.looseObject({ spki: z.string(), usage: z.string(), not_before: instant });

/** Unix milliseconds; Infinity = open. */
export const endOf = ({ notAfter }: TrustedKey): number => notAfter ?? Number.POSITIVE_INFINITY;

export function endorseKey({ spki, usage, notBefore }: TrustedKey, by: Signer): Promise<EnvelopeJson> {
  const payload = canonicalBytes({ spki: toBase64(spki), usage, not_before: instantText(notBefore) });
  return signEnvelope(keyPayloadType, payload, [by]);
}

/**
 * Whether one of `keys` speaks for `key`: for this use of it, and not from before its own time on.
 * @throws AttestRefused as the parts of the envelope are bad, SIGNATURE_BAD, TRUST_BAD
 */
export async function checkEndorsement(
  key: TrustedKey,
  endorsement: EnvelopeJson,
  keys: readonly TrustedKey[],
): Promise<void> {
  // A key that ended before says nothing of what comes after: it may be in other hands.
  const able = keys.filter(
    (one) => one.usage === key.usage && one.notBefore <= key.notBefore && endOf(one) >= key.notBefore,
  );
  const envelope = readEnvelope(endorsement);
  await verifyOwnEnvelope(envelope, keyPayloadType, able, 1);
  const parsed = schema.safeParse(parseCanonicalJson(envelope.payload));
  if (!parsed.success) throw new AttestRefused('TRUST_BAD', 'not an endorsement');
  const { spki, usage, not_before } = parsed.data;
  const isSame = equalBytes(fromBase64(spki), key.spki) && usage === key.usage;
  if (!isSame || instantOf(not_before) > key.notBefore) {
    throw new AttestRefused('TRUST_BAD', 'the endorsement is of another key');
  }
}
