/**
 * Bits in 32-bit words. Words are read from bytes by typed arrays over one buffer, which is right on little-endian
 * machines: all that Bun runs on.
 */

/** The bytes as words in a buffer of their own. */
export function copyToWords(bytes: Uint8Array): Int32Array {
  const words = new Int32Array(bytes.length / 4);
  new Uint8Array(words.buffer).set(bytes);
  return words;
}

/** 1 for an odd number of set bits, else 0. */
export function parity(word: number): number {
  let folded = word ^ (word >>> 16);
  folded ^= folded >>> 8;
  folded ^= folded >>> 4;
  folded ^= folded >>> 2;
  return (folded ^ (folded >>> 1)) & 1;
}

/** Number of set bits. */
export function countBits(word: number): number {
  let count = word - ((word >>> 1) & 0x5555_5555);
  count = (count & 0x3333_3333) + ((count >>> 2) & 0x3333_3333);
  count = (count + (count >>> 4)) & 0x0f0f_0f0f;
  return Math.imul(count, 0x0101_0101) >>> 24;
}

/** All bits set where the word has bit 0…31, else 0. By shifts: a negated 0 would not be an integer any more. */
export function bitMask(word: number, bit: number): number {
  return (word << (31 - bit)) >> 31;
}

/** All bits set when the two are equal, else 0; for numbers from 0 to 2^31 - 1. */
export function equalMask(a: number, b: number): number {
  return ((a ^ b) - 1) >> 31;
}

/** All bits set when both have the same bytes, else 0; for equal lengths. */
export function equalBytesMask(a: Uint8Array, b: Uint8Array): number {
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return equalMask(difference, 0);
}

/** Zeroes what held a secret. */
export function wipe(...secrets: readonly (Uint8Array | Uint16Array | Int32Array)[]): void {
  for (const secret of secrets) secret.fill(0);
}
