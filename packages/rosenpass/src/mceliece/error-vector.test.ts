import { expect, test } from 'bun:test';
import { drawErrorVector } from './error-vector.ts';
import { countBits, copyToWords } from './words.ts';

const weightOf = (vector: Uint8Array) => copyToWords(vector).reduce((sum, word) => sum + countBits(word), 0);
const bytesOf = (places: readonly number[]) => new Uint8Array(Uint16Array.from(places).buffer);
/** Gives the draws one after another, then fails. */
function scripted(...draws: readonly (readonly number[])[]) {
  const left = draws.map((places) => bytesOf(places));
  return (bytes: number) => {
    const draw = left.shift();
    if (draw?.length !== bytes) throw new Error('drawn once too often');
    return draw;
  };
}
const ascending = Array.from({ length: 192 }, (_, i) => i);

test('96 of 4608 bits, not the same twice', () => {
  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
  const vectors = Array.from({ length: 50 }, () => drawErrorVector(random));
  for (const vector of vectors) expect([vector.length, weightOf(vector)]).toEqual([576, 96]);
  expect(new Set(vectors.map((vector) => vector.toHex())).size).toBe(50);
});

test('the first 96 places below 4608 are taken, the upper three bits dropped', () => {
  const places = ascending.map((i) => (i % 2 === 0 ? 4608 + i : 0xe000 + 48 * ((i - 1) / 2) + 5));
  const vector = drawErrorVector(scripted(places));
  const expected = new Uint8Array(576);
  for (let i = 0; i < 96; i++) expected[(48 * i + 5) >> 3]! |= 1 << ((48 * i + 5) & 7);
  expect(vector).toEqual(expected);
});

test('too few places, or a duplicate among the first 96: drawn again', () => {
  const few = ascending.map((i) => (i < 97 ? 8191 : i));
  const duplicate = ascending.map((i) => (i === 95 ? 3 : i));
  const late = ascending.map((i) => (i === 96 ? 3 : i));
  const vector = drawErrorVector(scripted(few, duplicate, late));
  expect([...vector.subarray(0, 13)]).toEqual([...Array.from({ length: 12 }, () => 255), 0]);
});

test('a broken source of randomness is named, not waited for', () => {
  expect(() => drawErrorVector((bytes) => new Uint8Array(bytes))).toThrow('repeats itself');
  expect(() => drawErrorVector((bytes) => new Uint8Array(bytes - 1))).toThrow(RangeError);
});

test('what was drawn is zeroed', () => {
  const draw = bytesOf(ascending);
  drawErrorVector(() => draw);
  expect(draw.every((byte) => byte === 0)).toBe(true);
});
