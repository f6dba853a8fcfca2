import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { DialRefused } from '@labmesh/link/dial';
import { Reconnect } from './reconnect.ts';

const range = { minMs: 1_000, maxMs: 30_000 };

test('AG-4: try n lies between 1 s and min(30 s, 2^n s)', () => {
  const longest = new Reconnect(range, () => 1);
  expect([1, 2, 3, 4, 5, 6, 7].map(() => longest.next())).toEqual([
    2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
  ]);
  const shortest = new Reconnect(range, () => 0);
  expect([1, 2, 3, 4, 5, 6].map(() => shortest.next())).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, 1_000]);
});

test('a range that labd told counts once', () => {
  const reconnect = new Reconnect(range, () => 0.5);
  reconnect.told({ minMs: 100, maxMs: 300 });
  expect(reconnect.next()).toBe(200);
  expect(reconnect.next()).toBe(1_500);
});

test('a minute of being connected begins anew, less does not', () => {
  const reconnect = new Reconnect(range, () => 1);
  for (let i = 0; i < 5; i++) reconnect.next();
  reconnect.lost(59_000, undefined);
  expect(reconnect.next()).toBe(30_000);
  reconnect.lost(60_000, undefined);
  expect(reconnect.next()).toBe(2_000);
});

test('it never gives up and never leaves the range', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(2_000), (random, tries) => {
      const reconnect = new Reconnect(range, () => random);
      let wait = 0;
      for (let i = 0; i <= Math.min(tries, 50); i++) wait = reconnect.next();
      expect(wait >= range.minMs && wait <= range.maxMs).toBe(true);
    }),
  );
});

test('RL-2 a Retry-After is obeyed, and those who were told the same do not come back together', () => {
  const busy = new DialRefused(503, 20_000, '');
  const waits = [0, 0.25, 0.5, 1].map((random) => new Reconnect(range, () => random).afterFailure(busy));
  expect(waits).toEqual([20_000, 22_500, 25_000, 30_000]);
  const own = new Reconnect(range, () => 1);
  expect(own.afterFailure(new DialRefused(503, 1_000, ''))).toBe(2_000);
  expect(own.afterFailure(new Error('refused'))).toBe(4_000);
});

test('AG-4 the first try after a loss lies in the range labd told, a goodbye stands above it', () => {
  const at = (random: number) => new Reconnect(range, () => random);
  const waits = [0, 0.5, 1].map((random) => {
    const reconnect = at(random);
    reconnect.lost(60_000, 10_000);
    return [reconnect.next(), reconnect.next()];
  });
  expect(waits).toEqual([
    [0, 1_000],
    [5_000, 1_500],
    [10_000, 2_000],
  ]);
  const goodbye = at(1);
  goodbye.told({ minMs: 0, maxMs: 3_000 });
  goodbye.lost(60_000, 10_000);
  expect(goodbye.next()).toBe(3_000);
});

test('a labd that loses again what it let in is left alone for longer, until a link lasts', () => {
  const reconnect = new Reconnect(range, () => 1);
  const lost = (upMs: number) => {
    reconnect.lost(upMs, 1_000);
    return reconnect.next();
  };
  expect([100, 100, 100, 100, 100].map(lost)).toEqual([1_000, 4_000, 8_000, 16_000, 30_000]);
  expect(lost(60_000)).toBe(1_000);
});
