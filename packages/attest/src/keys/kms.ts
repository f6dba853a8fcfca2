/**
 * Keys in a key management service (spec CT6). The service makes and keeps them and gives signatures; the key file holds
 * their names and public parts. It is not trusted further than that: what it signed is checked against the public key that
 * verifiers were told, before anything is done with it.
 */
import { AttestRefused } from '../attest-refused.ts';
import { type PublicKey, verifySignature } from './public-key.ts';
import type { Signer } from './signing-key.ts';
import type { KeyUsage } from './trust.ts';

/** A key there, and which version of it: a rotation makes a new version, and older ones go on signing. */
export type KmsKey = { key: string; version: number };

/** What a service is to an issuer. Both calls have a time limit of their own, and reject with AttestRefused KMS_…. */
export type Kms = {
  /** The newest key for a use, Ed25519; where that is known, the one after it, which is made then. */
  next(use: KeyUsage | 'log', isKnown: (key: PublicKey) => boolean): Promise<KmsKey & { publicKey: PublicKey }>;
  /** The signature, as the service gave it. */
  sign(key: KmsKey, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
};

export type KmsSigner = Signer & { readonly kms: KmsKey };

export const isKmsSigner = (signer: Signer): signer is KmsSigner => 'kms' in signer;

/** The service did not do what it was asked, and may later: nothing is lost by waiting. */
export const isKmsRefusal = (error: unknown): error is AttestRefused =>
  error instanceof AttestRefused && error.code.startsWith('KMS_');

/**
 * Signs there. @param kms undefined where none is set: the signer can be looked at, and signs nothing
 * @throws (of `sign`) AttestRefused KMS_AWAY, KMS_REFUSED; KMS_BAD_ANSWER for a signature that is not this key's
 */
export function kmsSigner(kms: Kms | undefined, { key, version }: KmsKey, publicKey: PublicKey): KmsSigner {
  return {
    publicKey,
    kms: { key, version },
    async sign(message) {
      if (kms === undefined) {
        throw new AttestRefused('KMS_REFUSED', `the key ${key} is in a key management service, and none is set`);
      }
      // A copy: what is checked is what was sent, whatever becomes of the caller's bytes meanwhile.
      const sent = new Uint8Array(message);
      const signature = await kms.sign({ key, version }, sent);
      if (await verifySignature(publicKey, sent, signature)) return signature;
      throw new AttestRefused('KMS_BAD_ANSWER', `what was signed with ${key} is not of its version ${version}`);
    },
  };
}

/** A signer for a key that has signed nothing yet. @throws AttestRefused KMS_AWAY, KMS_REFUSED, KMS_BAD_ANSWER */
export async function nextKmsSigner(
  kms: Kms,
  use: KeyUsage | 'log',
  isKnown: (key: PublicKey) => boolean = () => false,
): Promise<KmsSigner> {
  const { publicKey, ...ref } = await kms.next(use, isKnown);
  if (publicKey.algorithm !== 'ed25519') throw new AttestRefused('KMS_BAD_ANSWER', `${ref.key} is no Ed25519 key`);
  // Also of a key whose time is over: nothing that was ended may sign again.
  if (isKnown(publicKey)) throw new AttestRefused('KMS_BAD_ANSWER', `${ref.key}: the service gives a key of before`);
  return kmsSigner(kms, ref, publicKey);
}
