import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { locatorOf } from './berlekamp-massey.ts';
import { multiply } from './field.ts';
import { planesOf } from './planes.ts';
import { applyNetwork } from './support.ts';
import { powerSums } from './syndromes.ts';

const element = fc.integer({ min: 0, max: 0x1fff });
const distinct = (count: number) =>
  fc.uniqueArray(element, { minLength: count, maxLength: count }).map((values) => Uint16Array.from(values));

function naiveSums(weights: Uint16Array, elements: Uint16Array, count: number): number[] {
  const terms = weights.slice();
  return Array.from({ length: count }, () => {
    const sum = terms.reduce((a, b) => a ^ b, 0);
    terms.forEach((term, i) => (terms[i] = multiply(term, elements[i]!)));
    return sum;
  });
}

test('power sums of the columns that have their bit', () => {
  const arrays = fc.uint16Array({ minLength: 64, maxLength: 64, max: 0x1fff });
  fc.assert(
    fc.property(arrays, arrays, fc.integer(), (weights, elements, word) => {
      const taken = weights.map((weight, i) => (i < 32 ? weight * ((word >>> i) & 1) : 0));
      const sums = powerSums(Int32Array.of(word), planesOf(weights), planesOf(elements), 9);
      expect([...sums]).toEqual(naiveSums(taken, elements, 9));
      expect(powerSums(Int32Array.of(word, 0), planesOf(weights), planesOf(elements), 9)).toEqual(sums);
    }),
  );
});

test('the locator of 96 errors is the product of (x - element)', () => {
  fc.assert(
    fc.property(
      distinct(96),
      fc.uint16Array({ minLength: 96, maxLength: 96, min: 1, max: 0x1fff }),
      (roots, weights) => {
        let product = [1];
        for (const root of roots) {
          product = Array.from(
            { length: product.length + 1 },
            (_, i) => multiply(product[i] ?? 0, root) ^ (product[i - 1] ?? 0),
          );
        }
        expect([...locatorOf(Uint16Array.from(naiveSums(weights, roots, 192)))]).toEqual(product);
      },
    ),
    { numRuns: 20 },
  );
});

test('syndromes of nothing or of noise give some locator, never a throw', () => {
  expect(locatorOf(new Uint16Array(192))).toEqual(Uint16Array.from({ length: 97 }, (_, i) => (i === 96 ? 1 : 0)));
  fc.assert(
    fc.property(fc.uint16Array({ minLength: 192, maxLength: 192, max: 0x1fff }), (noise) => {
      expect(locatorOf(noise).length).toBe(97);
    }),
    { numRuns: 30 },
  );
});

test('the network without bits moves nothing; each bit swaps one pair', () => {
  const values = () => Uint16Array.from({ length: 8192 }, (_, i) => i);
  const still = values();
  applyNetwork(still, new Uint8Array(12_800));
  expect(still).toEqual(values());
  for (const [bit, low, high] of [
    [0, 0, 1],
    [4096 + 1, 1, 3],
    [12 * 4096 + 77, 77, 77 + 4096],
    [24 * 4096 + 4095, 8190, 8191],
  ] as const) {
    const control = new Uint8Array(12_800);
    control[bit >> 3]! |= 1 << (bit & 7);
    const moved = values();
    applyNetwork(moved, control);
    expect([...moved].flatMap((value, place) => (value === place ? [] : [place]))).toEqual([low, high]);
  }
});
