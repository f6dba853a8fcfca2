import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { invert, multiply, productOf, reduce } from './field.ts';

const element = fc.integer({ min: 0, max: 0x1fff });

test('products and inverses of the specification', () => {
  expect(multiply(0x1fff, 0x1fff)).toBe(0x151a);
  expect(invert(2)).toBe(0x100d);
  expect(multiply(2, 0x1000)).toBe(0b11011);
});

test('every element but 0 has its inverse', () => {
  expect(invert(0)).toBe(0);
  for (let a = 1; a < 8192; a++) expect(multiply(a, invert(a))).toBe(1);
});

test('a commutative field: order, grouping and sums of products do not matter', () => {
  fc.assert(
    fc.property(element, element, element, (a, b, c) => {
      expect(multiply(a, b)).toBe(multiply(b, a));
      expect(multiply(multiply(a, b), c)).toBe(multiply(a, multiply(b, c)));
      expect(multiply(a, b ^ c)).toBe(multiply(a, b) ^ multiply(a, c));
      expect(reduce(productOf(a, b) ^ productOf(b, c))).toBe(multiply(b, a ^ c));
    }),
  );
});
