import { expect, test } from 'bun:test';
import { FailedHandshakes } from './failed-handshakes.ts';

/** A flood of `count`, one each `everyMs`, where a collection takes `collectMs`: how often was collected. */
function flood(count: number, everyMs: number, collectMs: number): number {
  let now = 0;
  let collections = 0;
  const collect = () => {
    collections++;
    now += collectMs;
  };
  const failed = new FailedHandshakes(collect, () => now);
  for (let done = 0; done < count; done++, now += everyMs) failed.add();
  return collections;
}

test('a few failed handshakes cost nothing, many are collected by their number', () => {
  expect(flood(249, 1, 10)).toBe(0);
  expect(flood(250, 1, 10)).toBe(1);
  expect(flood(10_000, 1, 10)).toBe(40);
});

test('however fast they come, collecting takes at most a ninth of the time', () => {
  const [count, everyMs, collectMs] = [100_000, 0.01, 50];
  const collections = flood(count, everyMs, collectMs);
  expect(collections).toBeGreaterThan(1);
  // The last one may have no rest after it yet.
  expect((collections - 1) * collectMs * 8).toBeLessThanOrEqual(count * everyMs);
});
