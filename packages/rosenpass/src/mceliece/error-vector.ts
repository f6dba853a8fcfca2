import { codeLength, errorCount, errorVectorBytes } from './parameters.ts';
import { drawBytes, type RandomSource, readElements } from './random-source.ts';
import { equalMask, wipe } from './words.ts';

/** Draws before a source of randomness is called broken: a draw fails with 0.65, so 200 fail with 10^-37. */
const drawsMax = 200;
const candidates = 2 * errorCount;

/** Bits 5… of a place select a word by mask, so that no index tells where an error is. */
function setBits(places: Int32Array): Uint8Array {
  const words = new Int32Array(codeLength / 32);
  for (let at = 0; at < words.length; at++) {
    let word = 0;
    for (let i = 0; i < errorCount; i++) {
      const place = places[i] as number;
      word |= (1 << (place & 31)) & equalMask(place >> 5, at);
    }
    words[at] = word;
  }
  return new Uint8Array(words.buffer, 0, errorVectorBytes);
}

/** All bits set when two of the first 96 are equal. */
function duplicateMask(places: Int32Array): number {
  let found = 0;
  for (let i = 1; i < errorCount; i++) {
    const place = places[i] as number;
    for (let j = 0; j < i; j++) found |= equalMask(place, places[j] as number);
  }
  return found;
}

/**
 * A uniformly random vector of 4608 bits, 96 of them set: 576 bytes.
 *
 * What is thrown away shows in time, and tells nothing about what is kept.
 * @throws Error when the source of randomness never gives 96 places.
 */
export function drawErrorVector(random: RandomSource): Uint8Array {
  for (let draw = 0; draw < drawsMax; draw++) {
    const bytes = drawBytes(random, candidates * 2);
    const values = readElements(bytes);
    const places = new Int32Array(candidates);
    let kept = 0;
    for (const place of values) {
      places[kept] = place;
      kept += (place - codeLength) >>> 31;
    }
    const drawn = kept >= errorCount && duplicateMask(places) === 0;
    const vector = drawn ? setBits(places) : undefined;
    wipe(bytes, values, places);
    if (vector !== undefined) return vector;
  }
  throw new Error('the source of randomness repeats itself');
}
