import { expect, test } from 'bun:test';
import { Returns } from './returns.ts';

const returns = (connected: number, fleet: number, replicas: number) => {
  const made = new Returns({ connected: () => connected, replicas: () => replicas });
  made.fleet = fleet;
  return made;
};

test('AG-4 agents / 100 s, between 1 and 30 s', () => {
  expect([0, 50, 100, 1_000, 3_000, 10_000].map((count) => returns(count, 0, 1).spreadMs)).toEqual([
    1_000, 1_000, 1_000, 10_000, 30_000, 30_000,
  ]);
});

test('before they are back, those that will come are counted: this replica’s part of the fleet', () => {
  expect(returns(0, 2_000, 1).spreadMs).toBe(20_000);
  expect(returns(0, 2_000, 2).spreadMs).toBe(10_000);
  expect(returns(1_500, 2_000, 2).spreadMs).toBe(15_000);
  expect(returns(0, 2_000, 0).spreadMs).toBe(20_000);
});

test('HB-11 Retry-After lies anywhere within, in whole seconds', () => {
  const many = returns(1_000, 0, 1);
  expect([0, 0.05, 0.55, 0.999].map((random) => many.retryAfterS(random))).toEqual([1, 1, 6, 10]);
  expect(new Set(Array.from({ length: 500 }, () => many.retryAfterS())).size).toBe(10);
});
