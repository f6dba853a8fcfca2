import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { sortBy } from './sort-by.ts';

const keysOf = fc
  .integer({ min: 1, max: 9 })
  .chain((bits) => fc.array(fc.nat({ max: 2 ** 31 - 1 }), { minLength: 2 ** bits, maxLength: 2 ** bits }));

test('keys ascend and their items come along', () => {
  fc.assert(
    fc.property(keysOf, (values) => {
      const keys = Int32Array.from(values);
      const items = Int32Array.from(values, (_, i) => i);
      sortBy(keys, items);
      expect([...keys]).toEqual(values.toSorted((a, b) => a - b));
      expect([...items].map((i) => values[i])).toEqual([...keys]);
      expect(new Set(items).size).toBe(values.length);
    }),
  );
});

test('every sequence of 0 and 1 of length 16 is sorted, so every sequence is (0-1 principle)', () => {
  for (let bits = 0; bits < 2 ** 16; bits++) {
    const keys = Int32Array.from({ length: 16 }, (_, i) => (bits >> i) & 1);
    sortBy(keys, new Int32Array(16));
    let descents = 0;
    for (let i = 1; i < 16; i++) descents += Number(keys[i - 1]! > keys[i]!);
    if (descents > 0) throw new Error(`not sorted: ${bits}`);
  }
});

test('with a stride each class of places is sorted by itself', () => {
  fc.assert(
    fc.property(keysOf, fc.integer({ min: 0, max: 3 }), (values, power) => {
      const stride = Math.min(2 ** power, values.length / 2);
      const keys = Int32Array.from(values);
      sortBy(keys, new Int32Array(values.length), stride);
      for (let rest = 0; rest < stride; rest++) {
        const ofClass = (all: readonly number[]) => all.filter((_, i) => i % stride === rest);
        expect(ofClass([...keys])).toEqual(ofClass(values).toSorted((a, b) => a - b));
      }
    }),
  );
});
