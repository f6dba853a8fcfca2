import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Batch, evenPieces, Newest } from './batch.ts';

test('what comes in one turn, and during a group, goes together; each gets its own answer', async () => {
  const groups: number[][] = [];
  const gate = Promise.withResolvers<void>();
  const batch = new Batch<number, string>(100, async (items) => {
    groups.push([...items]);
    if (groups.length === 1) await gate.promise;
    return items.map((item) => `got ${item}`);
  });
  const first = [1, 2, 3].map((item) => batch.add(item));
  await Bun.sleep(5);
  const second = [4, 5].map((item) => batch.add(item));
  gate.resolve();
  expect(await Promise.all([...first, ...second])).toEqual(['got 1', 'got 2', 'got 3', 'got 4', 'got 5']);
  expect(groups).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  expect(await batch.add(6)).toBe('got 6');
});

test('a group is bounded, and one that fails takes no other with it', async () => {
  let groups = 0;
  const batch = new Batch<number, number>(4, async (items) => {
    groups++;
    if (items.includes(2)) throw new Error('no two');
    return items;
  });
  const told = await Promise.allSettled(Array.from({ length: 10 }, (_, item) => batch.add(item)));
  expect(told.map(({ status }) => status === 'fulfilled')).toEqual([...Array(4).fill(false), ...Array(6).fill(true)]);
  expect(groups).toBe(3);
});

test('groups without a rest follow each other at once', async () => {
  const batch = new Batch<number, number>(2, (items) => Promise.resolve(items), 0);
  const from = performance.now();
  for (let item = 0; item < 200; item++) expect(await batch.add(item)).toBe(item);
  // With the usual rest these are four seconds.
  expect(performance.now() - from).toBeLessThan(2_000);
});

test('pieces hold all items in order, each of 2^n', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 600 }), fc.integer({ min: 1, max: 200 }), (items, most) => {
      const pieces = [...evenPieces(items, most)];
      expect(pieces.flat()).toEqual(items);
      for (const { length } of pieces)
        expect([length <= most, Number.isInteger(Math.log2(length))]).toEqual([true, true]);
    }),
  );
});

test('of work that comes faster than it is done only the newest is kept, by key', async () => {
  const newest = new Newest();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const tell = (key: string, value: number) =>
    newest.run(key, async () => {
      await gate.promise;
      done.push(`${key}${value}`);
    });
  for (let value = 0; value < 1_000; value++) tell('a', value);
  tell('b', 0);
  gate.resolve();
  await Bun.sleep(5);
  expect(done.toSorted()).toEqual(['a0', 'a999', 'b0']);
  tell('a', 1_000);
  await Bun.sleep(5);
  expect(done.at(-1)).toBe('a1000');
});
