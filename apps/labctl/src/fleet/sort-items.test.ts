import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { View } from '../output/column.ts';
import { sortItems } from './sort-items.ts';

type Thing = { name: string; size: number | null; seenAt?: string };
const view: View<Thing> = {
  name: ({ name }) => name,
  columns: [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'HOW LARGE', value: ({ size }) => (size === null ? undefined : size * 2) },
    { header: 'SEEN', value: ({ seenAt }) => (seenAt === undefined ? '-' : 'some time ago') },
  ],
};
const things: Thing[] = [
  { name: 'b', size: 10, seenAt: '2026-01-02' },
  { name: 'a', size: null },
  { name: 'c', size: 9, seenAt: '2026-01-01' },
];
const order = (key: string) =>
  sortItems(things, view, key, 0)
    .map(({ name }) => name)
    .join('');

describe('--sort', () => {
  test.each([
    ['name', 'abc'],
    ['-name', 'cba'],
    ['NAME', 'abc'],
    // As numbers, not as texts; what has none comes last both ways.
    ['size', 'cba'],
    ['-size', 'bca'],
    ['how-large', 'cba'],
    ['How Large', 'cba'],
    // The field counts, not what the column shows of it.
    ['seen', 'cba'],
    ['-seenAt', 'bca'],
  ])('by %s: %s', (key, wanted) => expect(order(key)).toBe(wanted));

  test('an unknown key names the nearest and all', () => {
    expect(() => order('nmae')).toThrow('--sort: there is no "nmae"; did you mean name?');
    expect(sortItems([], view, 'anything', 0)).toEqual([]);
  });

  test('nothing is lost, the order holds, and equal ones keep theirs', () => {
    const thing = fc.record({ name: fc.string(), size: fc.option(fc.integer({ min: 0, max: 5 })) });
    fc.assert(
      fc.property(fc.array(thing, { minLength: 1 }), fc.constantFrom('size', '-size', 'name'), (list, key) => {
        const sorted = sortItems(list, view as View<(typeof list)[number]>, key, 0);
        expect(new Set(sorted)).toEqual(new Set(list));
        expect(sorted).toHaveLength(list.length);
        if (key !== 'size') return;
        const sizes = sorted.map(({ size }) => size ?? Infinity);
        expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
        for (const size of new Set(sizes)) {
          const same = (one: (typeof list)[number]) => (one.size ?? Infinity) === size;
          expect(sorted.filter(same)).toEqual(list.filter(same));
        }
      }),
    );
  });
});
