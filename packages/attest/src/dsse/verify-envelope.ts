/** Whose signatures on an envelope hold. */
import { AttestRefused } from '../attest-refused.ts';
import { type PublicKey, verifySignature } from '../keys/public-key.ts';
import { type Envelope, type EnvelopeSignature, pae } from './envelope.ts';

/** Tries the key that the hint names first; a hint is never more than an order to try in. */
const byHint = <K extends PublicKey>(keys: readonly K[], hint: string | undefined): readonly K[] =>
  hint === undefined ? keys : keys.toSorted((a, b) => Number(b.keyid === hint) - Number(a.keyid === hint));

async function signerOf<K extends PublicKey>(
  { keyid, sig }: EnvelopeSignature,
  message: Uint8Array<ArrayBuffer>,
  keys: readonly K[],
): Promise<K | undefined> {
  for (const key of byHint(keys, keyid)) if (await verifySignature(key, message, sig)) return key;
  return undefined;
}

export type VerifiedEnvelope<K extends PublicKey> = {
  /** Each trusted key that signed, once, however often it did. */
  signedBy: readonly K[];
  /** Of each signature in turn: the keyid it bears, and the trusted key that made it. */
  signatures: readonly { keyid: string | undefined; madeBy: K | undefined }[];
};

/**
 * Checks an envelope against trusted keys. A signature that names one of them in our form of keyid and was not made by
 * that very key is refused, not passed over: it was made to look like what it is not.
 * @throws AttestRefused PAYLOAD_TYPE when the type is another; SIGNATURE_BAD when fewer than `threshold` keys signed.
 */
export async function verifyEnvelope<K extends PublicKey>(
  envelope: Envelope,
  payloadType: string,
  keys: readonly K[],
  threshold: number,
): Promise<VerifiedEnvelope<K>> {
  if (envelope.payloadType !== payloadType) throw new AttestRefused('PAYLOAD_TYPE', `the payload is no ${payloadType}`);
  const message = pae(envelope.payloadType, envelope.payload);
  const signedBy = new Map<string, K>();
  const signatures: { keyid: string | undefined; madeBy: K | undefined }[] = [];
  for (const signature of envelope.signatures) {
    const madeBy = await signerOf(signature, message, keys);
    const named = keys.find(({ keyid }) => keyid === signature.keyid);
    if (named !== undefined && named.keyid !== madeBy?.keyid) {
      throw new AttestRefused('SIGNATURE_BAD', 'a signature names a trusted key that did not make it');
    }
    signatures.push({ keyid: signature.keyid, madeBy });
    if (madeBy !== undefined) signedBy.set(madeBy.keyid, madeBy);
  }
  if (signedBy.size >= threshold) return { signedBy: [...signedBy.values()], signatures };
  const wanted =
    threshold === 1 ? 'no trusted key signed it' : `${signedBy.size} of ${threshold} trusted keys signed it`;
  throw new AttestRefused('SIGNATURE_BAD', wanted);
}

/**
 * The same for envelopes that we write ourselves: there each signature bears the keyid of the key that made it, so that
 * not even the hint can change unseen. @throws AttestRefused also SIGNATURE_BAD
 */
export async function verifyOwnEnvelope<K extends PublicKey>(
  envelope: Envelope,
  payloadType: string,
  keys: readonly K[],
  threshold: number,
): Promise<readonly K[]> {
  const { signedBy, signatures } = await verifyEnvelope(envelope, payloadType, keys, threshold);
  if (signatures.some(({ keyid, madeBy }) => madeBy !== undefined && madeBy.keyid !== keyid)) {
    throw new AttestRefused('SIGNATURE_BAD', 'a signature bears the keyid of another key');
  }
  return signedBy;
}
