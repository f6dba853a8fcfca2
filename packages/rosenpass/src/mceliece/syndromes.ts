import { blockWords, multiplyBlock, type Planes } from './planes.ts';
import { parity, wipe } from './words.ts';

/**
 * The field elements Σ bit_i · weight_i · step_i^j for j < count. 32 columns to a word of `bits`; only the blocks of
 * these columns are read.
 */
export function powerSums(bits: Int32Array, weights: Planes, steps: Planes, count: number): Uint16Array {
  const terms = weights.slice(0, bits.length * blockWords);
  for (let at = 0; at < terms.length; at++) {
    terms[at] = (terms[at] as number) & (bits[Math.floor(at / blockWords)] as number);
  }
  const total = new Int32Array(blockWords);
  const sums = new Uint16Array(count);
  for (let j = 0; j < count; j++) {
    total.fill(0);
    for (let at = 0; at < terms.length; at += blockWords) {
      for (let k = 0; k < blockWords; k++) total[k] = (total[k] as number) ^ (terms[at + k] as number);
      multiplyBlock(terms, at, terms, at, steps, at);
    }
    let sum = 0;
    for (let k = 0; k < blockWords; k++) sum |= parity(total[k] as number) << k;
    sums[j] = sum;
  }
  wipe(terms, total);
  return sums;
}
