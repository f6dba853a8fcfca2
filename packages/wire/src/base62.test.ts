import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { base62, base62Digits, randomBase62 } from './base62.ts';

test('vectors', () => {
  expect([0, 61, 62, 2n ** 64n - 1n].map((value) => base62(value))).toEqual(['0', 'z', '10', 'LygHa16AHYF']);
  expect([base62(61, 6), base62(2 ** 32 - 1, 6)]).toEqual(['00000z', '4gfFC3']);
  expect(() => base62(-1)).toThrow(RangeError);
});

test('the digits give the number back', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      (value) =>
        [...base62(value)].reduce((sum, digit) => sum * 62n + BigInt(base62Digits.indexOf(digit)), 0n) === value,
    ),
  );
});

test('random digits skip the bytes that would bend the odds', () => {
  const bytes = [255, 248, 0, 61, 62, 247];
  let at = 0;
  expect(randomBase62(4, (length) => Uint8Array.from({ length }, () => bytes[at++ % bytes.length] ?? 0))).toBe('0z0z');
  expect(randomBase62(32)).toMatch(/^[0-9A-Za-z]{32}$/);
});
