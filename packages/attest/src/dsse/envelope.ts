/** The DSSE v1 envelope (secure-systems-lab/dsse): what is signed is PAE(type, body), never JSON. */
import { AttestRefused } from '../attest-refused.ts';
import { fromAnyBase64, toBase64 } from '../bytes/base64.ts';
import { concatBytes, utf8 } from '../bytes/bytes.ts';
import { sha256Hex } from '../sha256.ts';
import type { Signer } from '../keys/signing-key.ts';

export type EnvelopeSignature = {
  /** A hint of the signer, not signed; undefined when there is none. */
  keyid: string | undefined;
  sig: Uint8Array<ArrayBuffer>;
};

export type Envelope = {
  payloadType: string;
  payload: Uint8Array<ArrayBuffer>;
  signatures: readonly EnvelopeSignature[];
};

/** An envelope as JSON has it. */
export type EnvelopeJson = { payload: string; payloadType: string; signatures: { keyid: string; sig: string }[] };

/** Signatures an envelope may hold: each costs a check for each trusted key. */
export const signaturesMax = 16;

/** What is signed: "DSSEv1", the length and bytes of the type, the length and bytes of the payload, spaces between. */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const type = utf8(payloadType);
  const head = utf8(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `);
  return concatBytes(head, payload);
}

/** What names a signed document whoever signed it: SHA-256 of its PAE, hex. */
export const signedHash = ({ payloadType, payload }: Pick<Envelope, 'payloadType' | 'payload'>): string =>
  sha256Hex(pae(payloadType, payload));

const refuse = (what: string) => new AttestRefused('ENVELOPE_BAD', what);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function bytesOf(value: unknown, name: string): Uint8Array<ArrayBuffer> {
  if (typeof value !== 'string') throw refuse(`${name} is no text`);
  return fromAnyBase64(value);
}

function signatureOf(value: unknown): EnvelopeSignature {
  if (!isObject(value)) throw refuse('a signature is no object');
  const { keyid, sig } = value;
  if (keyid !== undefined && typeof keyid !== 'string') throw refuse('a keyid is no text');
  return { keyid: keyid === '' ? undefined : keyid, sig: bytesOf(sig, 'a sig') };
}

/** An envelope of a parsed JSON value; unknown fields are passed over. @throws AttestRefused ENVELOPE_BAD, BASE64_BAD */
export function readEnvelope(value: unknown): Envelope {
  if (!isObject(value)) throw refuse('no object');
  const { payload, payloadType, signatures } = value;
  if (typeof payloadType !== 'string' || payloadType === '') throw refuse('payloadType is no text');
  if (!Array.isArray(signatures) || signatures.length === 0) throw refuse('no signatures');
  if (signatures.length > signaturesMax) throw refuse(`more than ${signaturesMax} signatures`);
  return { payloadType, payload: bytesOf(payload, 'payload'), signatures: signatures.map(signatureOf) };
}

/** Each signer signs once; the keyids are ours: the hash of the public key. @throws AttestRefused without a signer */
export async function signEnvelope(
  payloadType: string,
  payload: Uint8Array<ArrayBuffer>,
  signers: readonly Signer[],
): Promise<EnvelopeJson> {
  if (signers.length === 0) throw refuse('nobody to sign');
  const message = pae(payloadType, payload);
  const signatures = await Promise.all(
    signers.map(async (signer) => ({
      keyid: signer.publicKey.keyid,
      sig: toBase64(await signer.sign(message)),
    })),
  );
  return { payload: toBase64(payload), payloadType, signatures };
}
