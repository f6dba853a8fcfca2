import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { FakeClock } from '@labmesh/kit/clock';
import { RunPool } from './run-pool.ts';

const never = new AbortController().signal;
const open = (size: number, max: number, groupMax = max) => new RunPool(size, { max, groupMax }, new FakeClock());
const a = { group: 'a', priority: 'normal' as const };
const b = { group: 'b', priority: 'normal' as const };

test('so many at a time, then in order; one more than may wait is told at once', async () => {
  const pool = open(2, 3);
  const [first] = [await pool.enter(a, never), await pool.enter(a, never)];
  const order: number[] = [];
  const waiting = [0, 1, 2].map((name) => pool.enter(a, never).then((place) => (order.push(name), place)));
  expect(await thrower(pool.enter(a, never))).toThrow(BoundPassed);
  expect(pool.view).toEqual({ poolSize: 2, available: 0, inUse: 2, waiting: 3 });
  first?.[Symbol.dispose]();
  // A place given back twice is one place.
  first?.[Symbol.dispose]();
  (await waiting[0])?.[Symbol.dispose]();
  (await waiting[1])?.[Symbol.dispose]();
  await waiting[2];
  expect([order, pool.view]).toEqual([[0, 1, 2], { poolSize: 2, available: 0, inUse: 2, waiting: 0 }]);
});

test('who leaves the line while a place is handed over gives it on', async () => {
  const pool = open(1, 3);
  const place = await pool.enter(a, never);
  const leaver = new AbortController();
  const left = pool.enter(b, leaver.signal);
  const next = pool.enter(a, never);
  place[Symbol.dispose]();
  leaver.abort(new Error('gone'));
  expect(await thrower(left)).toThrow('gone');
  (await next)[Symbol.dispose]();
  expect(pool.view).toEqual({ poolSize: 1, available: 1, inUse: 0, waiting: 0 });
  expect(await thrower(pool.enter(b, leaver.signal))).toThrow('gone');
});

test('whatever comes, leaves and goes away, places are counted exactly', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('enter' as const), turn: fc.constantFrom(a, b) }),
    fc.record({ kind: fc.constantFrom('leave' as const, 'abort' as const), which: fc.nat(30) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), async (size, steps) => {
      const pool = open(size, 5);
      const held: Disposable[] = [];
      const callers: AbortController[] = [];
      for (const one of steps) {
        if (one.kind === 'enter') {
          const caller = new AbortController();
          callers.push(caller);
          pool.enter(one.turn, caller.signal).then(
            (place) => held.push(place),
            () => undefined,
          );
        } else if (one.kind === 'leave') held.splice(one.which % (held.length + 1), 1)[0]?.[Symbol.dispose]();
        else callers[one.which % (callers.length + 1)]?.abort(new Error('gone'));
        await Bun.sleep(0);
        const { poolSize, available, inUse, waiting } = pool.view;
        expect([poolSize, available + inUse, inUse]).toEqual([size, size, held.length]);
        // At most one place is kept open for a group that was here.
        expect(waiting === 0 || inUse >= Math.max(1, size - 1)).toBe(true);
      }
      while (held.length > 0) {
        held.pop()?.[Symbol.dispose]();
        await Bun.sleep(0);
      }
      expect(pool.view).toEqual({ poolSize: size, available: size, inUse: 0, waiting: 0 });
    }),
    { numRuns: 60 },
  );
});

test('a group that floods is served one for one with another, and told when it may come again', async () => {
  const clock = new FakeClock();
  const pool = new RunPool(1, { max: 6, groupMax: 4 }, clock);
  let place = await pool.enter(a, never);
  const order: string[] = [];
  const admitted: Disposable[] = [];
  const enter = async (turn: typeof a) => {
    const next = await pool.enter(turn, never);
    order.push(turn.group);
    admitted.push(next);
  };
  for (const turn of [a, a, a, a, b, b]) void enter(turn);
  const full = await pool.enter(a, never).catch((error: unknown) => error);
  expect(full).toMatchObject({ bound: 'sandbox.waiting', max: 6 });
  expect(pool.retryAfterS).toBe(3);
  for (let turn = 0; turn < 6; turn++) {
    await clock.advance(10_000);
    place[Symbol.dispose]();
    await Bun.sleep(0);
    place = admitted.shift() ?? place;
  }
  expect(order).toEqual(['b', 'a', 'b', 'a', 'a', 'a']);
  for (let at = 0; at < 4; at++) void enter(a);
  const mine = await pool.enter(a, never).catch((error: unknown) => error);
  expect(mine).toMatchObject({ bound: 'sandbox.waiting_per_group', max: 4 });
  // Runs take ten seconds here.
  expect(pool.retryAfterS).toBeGreaterThan(10);
});
