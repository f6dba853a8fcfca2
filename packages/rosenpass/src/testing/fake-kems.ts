/**
 * Stand-ins for the two KEMs where thousands of handshakes are wanted: the key is a hash of public key and ciphertext,
 * so it proves nothing, but it agrees on both sides and with nobody else's key.
 */
import { createHash } from 'node:crypto';
import { type Suites } from '../hash/suite.ts';
import { fingerprintOf } from '../fingerprint.ts';
import { prefixesOf } from '../key-prefixes.ts';
import { ciphertextBytes } from '../mceliece/parameters.ts';
import type { RandomSource as Random } from '../mceliece/random-source.ts';
import type { OwnKeyPair, StepContext } from '../steps/step-context.ts';

const fakeKey = (publicKey: Uint8Array, ciphertext: Uint8Array) =>
  new Uint8Array(createHash('sha256').update(publicKey).update(ciphertext).digest());

const stretched = (seed: Uint8Array, bytes: number) =>
  new Uint8Array(createHash('shake256', { outputLength: bytes }).update(seed).digest());

/** An own key pair whose public key has 32 bytes. */
export function fakeOwnKey(suites: Suites, random: Random): OwnKeyPair {
  const publicKey = random(32);
  return {
    publicKey,
    prefixes: prefixesOf(suites, publicKey),
    decapsulate: (ciphertext) => fakeKey(publicKey, ciphertext),
    [Symbol.dispose]: () => {},
  };
}

const fakeKyber: StepContext['kyber'] = {
  generate: (random) => {
    const secret = random(1632);
    return { publicKey: stretched(secret, 800), secret };
  },
  encapsulate: (publicKey, random) => {
    const ciphertext = random(768);
    return { ciphertext, key: fakeKey(publicKey, ciphertext) };
  },
  decapsulate: (secret, ciphertext) => fakeKey(stretched(secret, 800), ciphertext),
};

/** A worker with one own key, which finds the public keys of all contexts made with the same `directory`. */
export function fakeContext(suites: Suites, random: Random, directory: Map<string, Uint8Array>): StepContext {
  const own = fakeOwnKey(suites, random);
  directory.set(fingerprintOf(own.publicKey), own.publicKey);
  return {
    suites,
    ownKeys: new Map([[0, own]]),
    publicKeys: directory,
    kyber: fakeKyber,
    encapsulate: (publicKey, encoding, draw) => {
      const ciphertext = draw(ciphertextBytes[encoding]);
      return { ciphertext, key: fakeKey(publicKey, ciphertext) };
    },
    random,
  };
}
