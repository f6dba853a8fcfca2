/** What a worker needs to run steps: own secret keys, public keys of peers, the two KEMs, randomness. */
import { openSuites, type Suites } from '../hash/suite.ts';
import { type KeyPrefixes, prefixesOf } from '../key-prefixes.ts';
import { decapsulate, prepareSecretKey } from '../mceliece/decapsulate.ts';
import { encapsulate } from '../mceliece/encapsulate.ts';
import type { CiphertextEncoding } from '../mceliece/parameters.ts';
import type { RandomSource as Random } from '../mceliece/random-source.ts';
import { type Kyber, kyber } from './kyber.ts';

/** An own key pair, ready for use. Disposing zeroes the secret. */
export type OwnKeyPair = Disposable & {
  readonly publicKey: Uint8Array;
  readonly prefixes: KeyPrefixes;
  /** The 32-byte key of a ciphertext of either encoding. */
  decapsulate(ciphertext: Uint8Array): Uint8Array;
};

/** Public keys by fingerprint, 524,160 bytes each; undefined: not known. Never changed by who gets one. */
export type PublicKeySource = { get(fingerprint: string): Uint8Array | undefined };

export type StepContext = {
  readonly suites: Suites;
  /** By the index that jobs name. */
  readonly ownKeys: Map<number, OwnKeyPair>;
  readonly publicKeys: PublicKeySource;
  readonly kyber: Kyber;
  readonly encapsulate: (
    publicKey: Uint8Array,
    encoding: CiphertextEncoding,
    random: Random,
  ) => { ciphertext: Uint8Array; key: Uint8Array };
  /** Gives a buffer of the caller's own. */
  readonly random: Random;
};

/** A context without own keys: put them in with `openOwnKey`. */
export async function openStepContext(publicKeys: PublicKeySource, random: Random): Promise<StepContext> {
  return { suites: await openSuites(), ownKeys: new Map(), publicKeys, kyber, encapsulate, random };
}

/**
 * Reads an own key pair; takes about 15 ms. The secret (either layout) is copied: the caller zeroes its bytes.
 * @throws RosenpassKeyInvalid for a secret of the wrong length.
 */
export function openOwnKey(suites: Suites, publicKey: Uint8Array, secret: Uint8Array): OwnKeyPair {
  const prepared = prepareSecretKey(secret);
  return {
    publicKey,
    prefixes: prefixesOf(suites, publicKey),
    decapsulate: (ciphertext) => decapsulate(prepared, ciphertext),
    [Symbol.dispose]: () => prepared[Symbol.dispose](),
  };
}
