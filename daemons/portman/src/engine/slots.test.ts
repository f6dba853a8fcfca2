import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { ApiError } from '@labmesh/wire/errors';
import { Slots } from './slots.ts';

const never = new AbortController().signal;

test('slots run, then the queue fills in order, then requests are refused', async () => {
  const clock = new FakeClock();
  const slots = new Slots(['one'], 2, clock);
  const first = await slots.acquire(never);
  const order: number[] = [];
  const second = slots.acquire(never).then((lease) => (order.push(2), lease));
  const third = slots.acquire(never).then((lease) => (order.push(3), lease));
  expect(() => slots.acquire(never)).toThrow(ApiError);
  expect([slots.running, slots.waiting]).toEqual([1, 2]);
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  expect(order).toEqual([2, 3]);
  expect([slots.running, slots.waiting]).toEqual([0, 0]);
});

test('Retry-After follows what requests took', async () => {
  const clock = new FakeClock();
  const slots = new Slots(['one'], 0, clock);
  for (let round = 0; round < 20; round++) {
    using _lease = await slots.acquire(never);
    await clock.advance(20_000);
  }
  using _lease = await slots.acquire(never);
  try {
    void slots.acquire(never);
    expect.unreachable();
  } catch (error) {
    expect((error as ApiError).code).toBe('queue_full');
    expect((error as ApiError).retryAfterS).toBeGreaterThan(18);
    expect((error as ApiError).retryAfterS).toBeLessThanOrEqual(20);
  }
});

test('a waiter leaves when its client goes', async () => {
  const slots = new Slots(['one'], 1, new FakeClock());
  const first = await slots.acquire(never);
  const client = new AbortController();
  const waiting = slots.acquire(client.signal);
  client.abort(new Error('gone'));
  expect(await thrower(waiting)).toThrow('gone');
  expect(slots.waiting).toBe(0);
  first[Symbol.dispose]();
  expect(slots.running).toBe(0);
});
