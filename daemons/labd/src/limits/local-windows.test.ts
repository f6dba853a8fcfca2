import { heapStats } from 'bun:jsc';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { LocalWindows, keysMax } from './local-windows.ts';

const rule = { max: 2, windowMs: 60_000 };

test('RL-2: memory is bounded, and a key in use is not the one that goes', () => {
  const windows = new LocalWindows(4);
  for (const key of ['a', 'b', 'c', 'd']) windows.take(key, rule, 0, 1);
  windows.take('a', rule, 0, 1);
  windows.take('e', rule, 0, 2);
  expect(windows.size).toBeLessThanOrEqual(4);
  expect(windows.look('a', rule, 0, 1).allowed).toBe(false);
  expect(windows.look('b', rule, 0, 2).allowed).toBe(true);
  expect(windows.look('e', rule, 0, 1).allowed).toBe(false);
});

test('RL-2: however many keys come, no more than the bound are kept', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 20 }), fc.array(fc.nat(40)), (max, keys) => {
      const windows = new LocalWindows(max);
      for (const key of keys) {
        windows.take(String(key), rule, 0, 1);
        expect(windows.size).toBeLessThanOrEqual(max);
      }
    }),
  );
});

test('looking keeps nothing', () => {
  const windows = new LocalWindows();
  for (let i = 0; i < 100; i++) windows.look(`key ${i}`, rule, 0, 1);
  expect(windows.size).toBe(0);
});

test('RL-2: 300,000 addresses leave 100,000 keys and less than 40 MiB', () => {
  Bun.gc(true);
  const before = heapStats().heapSize;
  const windows = new LocalWindows();
  for (let i = 0; i < 300_000; i++) windows.take(`anonymous:10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, rule, i, 1);
  Bun.gc(true);
  expect(windows.size).toBeLessThanOrEqual(keysMax);
  expect(heapStats().heapSize - before).toBeLessThan(40 * 1024 * 1024);
});
