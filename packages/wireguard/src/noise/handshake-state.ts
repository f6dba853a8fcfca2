/** What both sides of a handshake do step by step: the chaining key and the transcript hash of Noise. */
import { type AeadProvider, nonceBytes, tagBytes } from '../aead/aead-provider.ts';
import { deriveKeys, hash, initialChainingKey, initialHash } from './key-derivation.ts';

export type Identity = { privateKey: Uint8Array; publicKey: Uint8Array };

/** Keys of a session as its owner uses them. */
export type TransportKeys = { send: Uint8Array; receive: Uint8Array };

const zeroNonce = new Uint8Array(nonceBytes);

export class HandshakeState {
  #chainingKey: Uint8Array = initialChainingKey.slice();
  #hash: Uint8Array;
  readonly #aead: AeadProvider;

  /** `responder`: the static public key of whoever answers. */
  constructor(responder: Uint8Array, aead: AeadProvider) {
    this.#hash = hash(initialHash, responder);
    this.#aead = aead;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = hash(this.#hash, data);
  }

  /** KDF1 into the chaining key. */
  mixKey(input: Uint8Array): void {
    const [next] = deriveKeys(1, this.#chainingKey, input);
    this.#replaceChainingKey(next);
  }

  /** KDF2 into the chaining key; gives the key for the next field. */
  mixKeyAndDerive(input: Uint8Array): Uint8Array {
    const [next, key] = deriveKeys(2, this.#chainingKey, input);
    this.#replaceChainingKey(next);
    return key;
  }

  /** KDF3 with the pre-shared key; gives the key for the empty field. */
  mixPresharedKey(presharedKey: Uint8Array): Uint8Array {
    const [next, temporary, key] = deriveKeys(3, this.#chainingKey, presharedKey);
    this.#replaceChainingKey(next);
    this.mixHash(temporary);
    temporary.fill(0);
    return key;
  }

  /** Seals a field under a key used once, which is zeroed, and mixes the ciphertext in. */
  sealField(key: Uint8Array, plain: Uint8Array): Uint8Array {
    const field = new Uint8Array(plain.length + tagBytes);
    field.set(plain);
    this.#aead.seal(key, zeroNonce, field, 0, plain.length, this.#hash);
    key.fill(0);
    this.mixHash(field);
    return field;
  }

  /** Undefined: forged. The key is zeroed either way. */
  openField(key: Uint8Array, field: Uint8Array): Uint8Array | undefined {
    const copy = field.slice();
    const good = this.#aead.open(key, zeroNonce, copy, 0, copy.length, this.#hash);
    key.fill(0);
    if (!good) return undefined;
    this.mixHash(field);
    return copy.slice(0, -tagBytes);
  }

  /** T1 and T2; the state is of no use after this. */
  split(): [Uint8Array, Uint8Array] {
    const keys = deriveKeys(2, this.#chainingKey, new Uint8Array(0));
    this.wipe();
    return keys;
  }

  /** A copy that can be tried against a message while this one waits for a genuine one. */
  clone(): HandshakeState {
    const copy = new HandshakeState(new Uint8Array(0), this.#aead);
    copy.#chainingKey = this.#chainingKey.slice();
    copy.#hash = this.#hash.slice();
    return copy;
  }

  wipe(): void {
    this.#chainingKey.fill(0);
    this.#hash.fill(0);
  }

  #replaceChainingKey(next: Uint8Array): void {
    this.#chainingKey.fill(0);
    this.#chainingKey = next;
  }
}
