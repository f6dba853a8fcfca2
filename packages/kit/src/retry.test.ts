import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { backoff } from './retry.ts';

const take = (count: number, waits: Generator<number>) =>
  Array.from({ length: count }, () => waits.next().value as number);

test('doubles from the first wait to the cap', () => {
  expect(take(7, backoff({ firstMs: 1_000, capMs: 30_000, random: () => 0.5 }))).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
  ]);
  expect(take(2, backoff({ firstMs: 1_000, capMs: 30_000, random: () => 0 }))).toEqual([500, 1_000]);
});

test('ends after waitsMax', () => {
  expect([...backoff({ firstMs: 1, capMs: 1, waitsMax: 3, jitter: 0 })]).toEqual([1, 1, 1]);
  expect([...backoff({ firstMs: 1, capMs: 1, waitsMax: 0 })]).toEqual([]);
});

test('every wait lies within the jitter around its step', () => {
  const unit = fc.double({ min: 0, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 60_000 }),
      unit,
      unit,
      (firstMs, capMs, jitter, random) =>
        take(40, backoff({ firstMs, capMs, jitter, random: () => random })).every((wait, i) => {
          const base = Math.min(firstMs * 2 ** i, capMs);
          return wait >= Math.floor(base * (1 - jitter)) && wait <= Math.ceil(base * (1 + jitter));
        }),
    ),
  );
});
