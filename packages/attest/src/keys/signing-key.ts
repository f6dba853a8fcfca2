/** Ed25519 keys that sign. Only processes that hold a key load this file; checking needs `public-key.ts` alone. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { AttestRefused } from '../attest-refused.ts';
import { type PublicKey, publicKeyFromSpki } from './public-key.ts';

/** What signs: a key in this process, or one that a key management service keeps (`kms.ts`). */
export type Signer = {
  readonly publicKey: PublicKey;
  /** The signature, 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>;
};

export type FileSigner = Omit<Signer, 'sign'> & {
  sign(message: Uint8Array): Uint8Array<ArrayBuffer>;
  /** PKCS#8, DER. Secret. */
  exportPkcs8(): Uint8Array<ArrayBuffer>;
};

function signerOf(key: KeyObject): FileSigner {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    publicKey: publicKeyFromSpki(spki),
    sign: (message) => new Uint8Array(sign(null, message, key)),
    exportPkcs8: () => new Uint8Array(key.export({ format: 'der', type: 'pkcs8' })),
  };
}

export const generateSigner = (): FileSigner => signerOf(generateKeyPairSync('ed25519').privateKey);

/** @throws AttestRefused KEY_BAD when it is no Ed25519 key; nothing of the bytes is in the text. */
export function signerFromPkcs8(pkcs8: Uint8Array): FileSigner {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  } catch {
    throw new AttestRefused('KEY_BAD', 'not a private key');
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new AttestRefused('KEY_BAD', 'not an Ed25519 private key');
  return signerOf(key);
}
