import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { invert, multiply } from './field.ts';
import { blockWords, evaluateAt, invertPlanes, multiplyBlock, multiplyPlanes, planesOf } from './planes.ts';

const element = fc.integer({ min: 0, max: 0x1fff });
const elements = fc.uint16Array({ minLength: 64, maxLength: 64, max: 0x1fff });

test('element i is bit i of the block: plane k has coefficient k', () => {
  const planes = planesOf(Uint16Array.from({ length: 64 }, (_, i) => (i === 33 ? 0b101 : 0)));
  expect(planes.length).toBe(2 * blockWords);
  expect([...planes].map((word, at) => [at, word]).filter(([, word]) => word !== 0)).toEqual([
    [blockWords, 2],
    [blockWords + 2, 2],
  ]);
});

test('64 products and inverses at once are those of the elements', () => {
  fc.assert(
    fc.property(elements, elements, (a, b) => {
      const product = planesOf(a);
      multiplyPlanes(product, product, planesOf(b));
      expect(product).toEqual(planesOf(a.map((value, i) => multiply(value, b[i]!))));
      expect(invertPlanes(planesOf(a))).toEqual(planesOf(a.map((value) => invert(value))));
    }),
  );
});

test('one block of many; the others stay', () => {
  const a = planesOf(Uint16Array.from({ length: 64 }, (_, i) => 100 * i + 1));
  const out = a.slice();
  multiplyBlock(out, 0, a, blockWords, a, blockWords);
  expect(out.subarray(blockWords)).toEqual(a.subarray(blockWords));
  expect(out.subarray(0, blockWords)).toEqual(
    planesOf(Uint16Array.from({ length: 32 }, (_, i) => multiply(100 * (i + 32) + 1, 100 * (i + 32) + 1))),
  );
});

test('values of a polynomial', () => {
  fc.assert(
    fc.property(elements, fc.array(element, { maxLength: 8 }), (points, coefficients) => {
      const value = (x: number) => coefficients.reduceRight((sum, next) => multiply(sum, x) ^ next, 0);
      expect(evaluateAt(planesOf(points), Uint16Array.from(coefficients))).toEqual(planesOf(points.map(value)));
    }),
  );
});
