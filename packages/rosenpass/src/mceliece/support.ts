import { codeLength, fieldBits, fieldSize, layerBytes, networkLayers } from './parameters.ts';
import { bitMask, wipe } from './words.ts';

/** The 13 coefficients of an element in the opposite order. */
export function reverseBits(element: number): number {
  let reversed = 0;
  for (let k = 0; k < fieldBits; k++) reversed |= ((element >> k) & 1) << (fieldBits - 1 - k);
  return reversed;
}

/**
 * Puts 8192 values through the network of conditional swaps (Beneš): 25 layers of stride 1, 2, … 4096, … 2, 1. Pair k
 * of a layer, counted by its lower place, swaps when bit k of the layer's 512 bytes is set.
 */
export function applyNetwork(values: Uint16Array, controlBits: Uint8Array): void {
  for (let layer = 0; layer < networkLayers; layer++) {
    const stride = 1 << Math.min(layer, networkLayers - 1 - layer);
    let pair = layer * layerBytes * 8;
    for (let from = 0; from < fieldSize; from += 2 * stride) {
      for (let low = from; low < from + stride; low++, pair++) {
        const swap = bitMask(controlBits[pair >> 3] as number, pair & 7);
        const a = values[low] as number;
        const b = values[low + stride] as number;
        const difference = (a ^ b) & swap;
        values[low] = a ^ difference;
        values[low + stride] = b ^ difference;
      }
    }
  }
}

/** L: the 4608 field elements of a secret key's code, in the order of its columns. */
export function supportOf(controlBits: Uint8Array): Uint16Array {
  const elements = Uint16Array.from({ length: fieldSize }, (_, place) => reverseBits(place));
  applyNetwork(elements, controlBits);
  const support = elements.slice(0, codeLength);
  wipe(elements);
  return support;
}
