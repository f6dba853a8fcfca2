/**
 * Kyber512 of round 3 by way of ML-KEM-512 (spec tunnel.md 5.3): keys and ciphertexts are the same, the shared key is one
 * hash further. Only the key of a rejected ciphertext differs from round 3, and no handshake gets past it either way.
 */
import { createHash } from 'node:crypto';
import { ml_kem512 } from '@noble/post-quantum/ml-kem.js';

function round3Key(shared: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const digest = createHash('sha3-256').update(ciphertext).digest();
  const key = createHash('shake256', { outputLength: 32 }).update(shared).update(digest).digest();
  shared.fill(0);
  return new Uint8Array(key);
}

export type Kyber = {
  /** Public key 800 bytes, secret 1,632. */
  generate(random: (bytes: number) => Uint8Array): { publicKey: Uint8Array; secret: Uint8Array };
  /** Ciphertext 768 bytes, key 32. Undefined: no public key at all. */
  encapsulate(
    publicKey: Uint8Array,
    random: (bytes: number) => Uint8Array,
  ): { ciphertext: Uint8Array; key: Uint8Array } | undefined;
  decapsulate(secret: Uint8Array, ciphertext: Uint8Array): Uint8Array;
};

export const kyber: Kyber = {
  generate: (random) => {
    const seed = random(64);
    const { publicKey, secretKey } = ml_kem512.keygen(seed);
    seed.fill(0);
    return { publicKey, secret: secretKey };
  },
  encapsulate: (publicKey, random) => {
    const message = random(32);
    try {
      const { cipherText, sharedSecret } = ml_kem512.encapsulate(publicKey, message);
      return { ciphertext: cipherText, key: round3Key(sharedSecret, cipherText) };
    } catch {
      return undefined; // a coefficient outside of the field: nobody's key
    } finally {
      message.fill(0);
    }
  },
  decapsulate: (secret, ciphertext) => round3Key(ml_kem512.decapsulate(ciphertext, secret), ciphertext),
};
