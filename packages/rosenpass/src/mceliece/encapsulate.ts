import { drawErrorVector } from './error-vector.ts';
import {
  checkRows,
  type CiphertextEncoding,
  codeLength,
  errorVectorBytes,
  publicKeyBytes,
  publicRowBytes,
  syndromeBytes,
} from './parameters.ts';
import type { RandomSource } from './random-source.ts';
import { RosenpassKeyInvalid } from './rosenpass-key-invalid.ts';
import { shake256 } from './shake256.ts';
import { copyToWords, parity, wipe } from './words.ts';

const rowWords = publicRowBytes / 4;
const identityWords = checkRows / 32;

/** Prefix of the hash that confirms an error vector in a pc188 ciphertext. */
export const confirmPrefix = Uint8Array.of(2);
const acceptedPrefix = Uint8Array.of(1);

/** The key as words without a copy where it is aligned: 131,040 of them. */
function publicRows(publicKey: Uint8Array): Int32Array {
  return publicKey.byteOffset % 4 === 0
    ? new Int32Array(publicKey.buffer, publicKey.byteOffset, publicKeyBytes / 4)
    : copyToWords(publicKey);
}

/** (I | T) times the error vector. */
function syndromeOf(rows: Int32Array, error: Int32Array): Uint8Array {
  const syndrome = error.slice(0, identityWords);
  for (let row = 0, at = 0; row < checkRows; row++) {
    let sum = 0;
    for (let word = 0; word < rowWords; word++, at++) {
      sum ^= (rows[at] as number) & (error[identityWords + word] as number);
    }
    syndrome[row >> 5] = (syndrome[row >> 5] as number) ^ (parity(sum) << (row & 31));
  }
  return new Uint8Array(syndrome.buffer, 0, syndromeBytes);
}

/**
 * The ciphertext of one error vector (576 bytes, weight 96) and the 32-byte key that it carries: for known answers;
 * `encapsulate` draws the vector.
 * @throws RosenpassKeyInvalid unless the public key has 524,160 bytes.
 */
export function encapsulateError(
  publicKey: Uint8Array,
  errorVector: Uint8Array,
  encoding: CiphertextEncoding,
): { ciphertext: Uint8Array; key: Uint8Array } {
  if (publicKey.length !== publicKeyBytes) {
    throw new RosenpassKeyInvalid('public key', publicKey.length, publicKeyBytes);
  }
  if (errorVector.length !== errorVectorBytes) throw new RangeError(`an error vector has ${codeLength} bits`);
  const error = copyToWords(errorVector);
  const syndrome = syndromeOf(publicRows(publicKey), error);
  wipe(error);
  const confirmation = encoding === 'pc188' ? shake256(confirmPrefix, errorVector) : new Uint8Array(0);
  const ciphertext = new Uint8Array(syndrome.length + confirmation.length);
  ciphertext.set(syndrome);
  ciphertext.set(confirmation, syndrome.length);
  return { ciphertext, key: shake256(acceptedPrefix, errorVector, ciphertext) };
}

/**
 * A fresh 32-byte key and the ciphertext that gives it to the owner of `publicKey`: 188 or 156 bytes.
 * @throws RosenpassKeyInvalid unless the public key has 524,160 bytes.
 */
export function encapsulate(
  publicKey: Uint8Array,
  encoding: CiphertextEncoding,
  random: RandomSource,
): { ciphertext: Uint8Array; key: Uint8Array } {
  const errorVector = drawErrorVector(random);
  const result = encapsulateError(publicKey, errorVector, encoding);
  wipe(errorVector);
  return result;
}
