import { fieldBits, fieldSize, layerBytes, networkLayers } from '../parameters.ts';
import { bitMask, wipe } from '../words.ts';
import { sortBy } from './sort-by.ts';

/**
 * Control bits of the network that gives out[i] = in[π(i)]; 12,800 bytes for `applyNetwork`.
 *
 * Level l takes the outermost pair of layers still open off 2^l permutations at once. Number ρ of them has 8192 / 2^l
 * elements and keeps element x at place x · 2^l + ρ: pairs then lie where the layer's stride has them, and the two
 * halves that are left for the next level are already in their places. All moves are sorts by network, all choices
 * masks. Method: Bernstein, Verified fast formulas for control bits for permutation networks (2020).
 */
export function controlBitsOf(permutation: Int32Array): Uint8Array {
  const control = new Uint8Array(networkLayers * layerBytes);
  const current = permutation.slice();
  for (let level = 0; level < fieldBits - 1; level++) peelLevel(current, level, control);
  const middle = (fieldBits - 1) * layerBytes * 8;
  for (let pair = 0; pair < fieldSize / 2; pair++) setBit(control, middle + pair, current[pair] as number);
  wipe(current);
  return control;
}

function setBit(control: Uint8Array, at: number, bit: number): void {
  control[at >> 3] = (control[at >> 3] as number) | ((bit & 1) << (at & 7));
}

/** Composes with the inverse of `keys`: values then stand in the order of their keys. */
function orderByKeys(values: Int32Array, keys: Int32Array, stride: number): void {
  const sorted = keys.slice();
  sortBy(sorted, values, stride);
  wipe(sorted);
}

/** With `back` the inverse of `forth` once both were through it twice: doubles the number of steps they stand for. */
function doubleSteps(forth: Int32Array, back: Int32Array, stride: number): void {
  const before = forth.map((value) => value & (fieldSize - 1));
  orderByKeys(forth, back, stride);
  orderByKeys(back, before, stride);
  wipe(before);
}

const minimum = (a: number, b: number) => a + ((b - a) & ((b - a) >> 31));

/**
 * The smallest element in the cycle of each x under x → π(π⁻¹(x ^ 1) ^ 1). After i rounds 2^i steps were seen: `forth`
 * leads 2^i steps on, `back` as many back, and the minima seen from there come along in the bits above.
 */
function cycleMinima(permutation: Int32Array, level: number): Int32Array {
  const stride = 1 << level;
  const forth = permutation.map((_, at) => permutation[at ^ stride] as number);
  const back = permutation.map((value) => value ^ 1);
  doubleSteps(forth, back, stride);
  const minima = forth.map((value, at) => minimum(at >> level, value));
  doubleSteps(forth, back, stride);
  for (let round = 1; round < fieldBits - level - 1; round++) {
    for (let at = 0; at < fieldSize; at++) {
      forth[at] = ((minima[at] as number) << fieldBits) | (forth[at] as number);
    }
    doubleSteps(forth, back, stride);
    for (let at = 0; at < fieldSize; at++) {
      const moved = forth[at] as number;
      minima[at] = minimum(minima[at] as number, moved >> fieldBits);
      forth[at] = moved & (fieldSize - 1);
    }
  }
  wipe(forth, back);
  return minima;
}

/** Writes the first and last layer of this level, and leaves what remains between them in `permutation`. */
function peelLevel(permutation: Int32Array, level: number, control: Uint8Array): void {
  const stride = 1 << level;
  const first = level * layerBytes * 8;
  const last = (networkLayers - 1 - level) * layerBytes * 8;
  const inverse = permutation.map((_, at) => at >> level);
  orderByKeys(inverse, permutation, stride);
  const minima = cycleMinima(permutation, level);

  // The first layer swaps a pair when its cycle's smallest element is odd; then π, and the last layer evens it out.
  const composed = permutation.map((_, at) => (at >> level) ^ ((minima[at & ~stride] as number) & 1));
  orderByKeys(composed, inverse, stride);
  for (let pair = 0; pair < fieldSize / 2; pair++) {
    const even = ((pair >> level) << (level + 1)) | (pair & (stride - 1));
    const a = composed[even] as number;
    const b = composed[even + stride] as number;
    setBit(control, first + pair, minima[even] as number);
    setBit(control, last + pair, a);
    const swap = (a ^ b) & bitMask(a, 0);
    permutation[even] = (a ^ swap) >> 1;
    permutation[even + stride] = (b ^ swap) >> 1;
  }
  wipe(inverse, minima, composed);
}
