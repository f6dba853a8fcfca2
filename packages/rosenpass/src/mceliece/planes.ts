import { fieldBits } from './parameters.ts';
import { bitMask, wipe } from './words.ts';

/**
 * Bit-sliced field elements: 32 of them, a block, are 13 words; word k (plane k) holds coefficient k of all 32, element
 * i in bit i. One multiplication of 377 word operations then serves 32 elements, with no branch or index that depends
 * on them. Element i of many is element i & 31 of block i >> 5.
 */
export type Planes = Int32Array<ArrayBuffer>;

export const blockWords = fieldBits;

export function planesOf(elements: Uint16Array): Planes {
  const planes = new Int32Array((elements.length >> 5) * blockWords);
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i] as number;
    const at = (i >> 5) * blockWords;
    for (let k = 0; k < fieldBits; k++) {
      planes[at + k] = (planes[at + k] as number) | (((element >> k) & 1) << (i & 31));
    }
  }
  return planes;
}

/**
 * One block: out[o…] = a[i…] · b[j…]; `out` may be `a` or `b`. Horner's rule over the coefficients of b: the sum is
 * multiplied by z, which puts its top plane back at z^4, z^3, z and 1, and takes a where b has the coefficient.
 */
export function multiplyBlock(out: Planes, o: number, a: Planes, i: number, b: Planes, j: number): void {
  const a0 = a[i] as number;
  const a1 = a[i + 1] as number;
  const a2 = a[i + 2] as number;
  const a3 = a[i + 3] as number;
  const a4 = a[i + 4] as number;
  const a5 = a[i + 5] as number;
  const a6 = a[i + 6] as number;
  const a7 = a[i + 7] as number;
  const a8 = a[i + 8] as number;
  const a9 = a[i + 9] as number;
  const a10 = a[i + 10] as number;
  const a11 = a[i + 11] as number;
  const a12 = a[i + 12] as number;
  let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let k = fieldBits - 1; k >= 0; k--) {
    const bits = b[j + k] as number;
    const top = c12;
    c12 = c11 ^ (a12 & bits);
    c11 = c10 ^ (a11 & bits);
    c10 = c9 ^ (a10 & bits);
    c9 = c8 ^ (a9 & bits);
    c8 = c7 ^ (a8 & bits);
    c7 = c6 ^ (a7 & bits);
    c6 = c5 ^ (a6 & bits);
    c5 = c4 ^ (a5 & bits);
    c4 = c3 ^ top ^ (a4 & bits);
    c3 = c2 ^ top ^ (a3 & bits);
    c2 = c1 ^ (a2 & bits);
    c1 = c0 ^ top ^ (a1 & bits);
    c0 = top ^ (a0 & bits);
  }
  out[o] = c0;
  out[o + 1] = c1;
  out[o + 2] = c2;
  out[o + 3] = c3;
  out[o + 4] = c4;
  out[o + 5] = c5;
  out[o + 6] = c6;
  out[o + 7] = c7;
  out[o + 8] = c8;
  out[o + 9] = c9;
  out[o + 10] = c10;
  out[o + 11] = c11;
  out[o + 12] = c12;
}

/** out = a · b, element by element, over all blocks of `out`; `out` may be `a` or `b`. */
export function multiplyPlanes(out: Planes, a: Planes, b: Planes): void {
  for (let at = 0; at < out.length; at += blockWords) multiplyBlock(out, at, a, at, b, at);
}

/** a^8190 of each element: its inverse, 0 for 0. */
export function invertPlanes(a: Planes): Planes {
  const power = a.slice();
  for (let bit = 0; bit < fieldBits - 2; bit++) {
    multiplyPlanes(power, power, power);
    multiplyPlanes(power, power, a);
  }
  multiplyPlanes(power, power, power);
  return power;
}

/** Values of the polynomial (low coefficient first) at all points: Horner's rule. */
export function evaluateAt(points: Planes, coefficients: Uint16Array): Planes {
  const spread = new Int32Array(coefficients.length * blockWords);
  for (let at = 0; at < spread.length; at++) {
    spread[at] = bitMask(coefficients[Math.floor(at / blockWords)] as number, at % blockWords);
  }
  const values = new Int32Array(points.length);
  for (let at = 0; at < points.length; at += blockWords) {
    for (let from = spread.length - blockWords; from >= 0; from -= blockWords) {
      multiplyBlock(values, at, values, at, points, at);
      for (let k = 0; k < blockWords; k++) values[at + k] = (values[at + k] as number) ^ (spread[from + k] as number);
    }
  }
  wipe(spread);
  return values;
}
