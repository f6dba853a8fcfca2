/** Hashes of WireGuard's handshake: BLAKE2s, its keyed form and HMAC-based derivation (spec tunnel.md 5.7). */
import { blake2s } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';

const ascii = (text: string) => new TextEncoder().encode(text);

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** HASH: BLAKE2s-256 over the parts one after another. */
export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  return blake2s(concat(...parts));
}

/** MAC: BLAKE2s with a key of 16 or 32 bytes, to 16 bytes. */
export function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return blake2s(data, { key, dkLen: 16 });
}

/** KDFn: `count` keys of 32 bytes from a chaining key and input. */
export function deriveKeys<Count extends 1 | 2 | 3>(
  count: Count,
  chainingKey: Uint8Array,
  input: Uint8Array,
): Count extends 1 ? [Uint8Array] : Count extends 2 ? [Uint8Array, Uint8Array] : [Uint8Array, Uint8Array, Uint8Array];
export function deriveKeys(count: number, chainingKey: Uint8Array, input: Uint8Array): Uint8Array[] {
  const secret = hmac(blake2s, chainingKey, input);
  const keys: Uint8Array[] = [];
  let previous = new Uint8Array(0);
  for (let index = 1; index <= count; index += 1) {
    const message = concat(previous, Uint8Array.of(index));
    previous = hmac(blake2s, secret, message);
    message.fill(0);
    keys.push(previous);
  }
  secret.fill(0);
  return keys;
}

/** Chaining key and transcript hash before the first message. */
export const initialChainingKey: Uint8Array = hash(ascii('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s'));
export const initialHash: Uint8Array = hash(initialChainingKey, ascii('WireGuard v1 zx2c4 Jason@zx2c4.com'));

/** Key of mac1 in messages to the owner of a public key. */
export function mac1Key(publicKey: Uint8Array): Uint8Array {
  return hash(ascii('mac1----'), publicKey);
}

/** Key under which the owner of a public key seals cookies. */
export function cookieKey(publicKey: Uint8Array): Uint8Array {
  return hash(ascii('cookie--'), publicKey);
}
