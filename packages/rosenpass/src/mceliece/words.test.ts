import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { bitMask, copyToWords, countBits, equalBytesMask, equalMask, parity, wipe } from './words.ts';

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const positive = fc.integer({ min: 0, max: 2 ** 31 - 1 });

test('set bits, and whether they are odd', () => {
  fc.assert(
    fc.property(word, (value) => {
      const ones = [...(value >>> 0).toString(2)].filter((digit) => digit === '1').length;
      expect(countBits(value)).toBe(ones);
      expect(parity(value)).toBe(ones % 2);
    }),
  );
  expect([countBits(-1), parity(-1), countBits(0)]).toEqual([32, 0, 0]);
});

test('masks of equality', () => {
  fc.assert(
    fc.property(positive, positive, (a, b) => {
      expect(equalMask(a, b)).toBe(a === b ? -1 : 0);
      expect(equalMask(a, a)).toBe(-1);
    }),
  );
  expect(equalMask(0, 2 ** 31 - 1)).toBe(0);
  for (const bit of [0, 7, 31]) expect([bitMask(1 << bit, bit), bitMask(~(1 << bit), bit)]).toEqual([-1, 0]);
  expect(equalBytesMask(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(-1);
  expect(equalBytesMask(Uint8Array.of(1, 2), Uint8Array.of(1, 0x82))).toBe(0);
});

test('words are little-endian copies, from any offset', () => {
  const bytes = Uint8Array.of(9, 1, 2, 3, 0x84, 5, 0, 0, 0);
  const words = copyToWords(bytes.subarray(1));
  expect([...words]).toEqual([0x84030201 | 0, 5]);
  wipe(words);
  expect([...words, bytes[1]]).toEqual([0, 0, 1]);
});
