import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { RunPool } from './run-pool.ts';

const never = new AbortController().signal;

test('so many at a time, then in order; one more than may wait is told at once', async () => {
  const pool = new RunPool(2, 3);
  const [first] = [await pool.enter(never), await pool.enter(never)];
  const order: number[] = [];
  const waiting = [0, 1, 2].map((name) => pool.enter(never).then((place) => (order.push(name), place)));
  await expect(pool.enter(never)).rejects.toThrow(BoundPassed);
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
  const pool = new RunPool(1, 3);
  const place = await pool.enter(never);
  const leaver = new AbortController();
  const left = pool.enter(leaver.signal);
  const next = pool.enter(never);
  place[Symbol.dispose]();
  leaver.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  (await next)[Symbol.dispose]();
  expect(pool.view).toEqual({ poolSize: 1, available: 1, inUse: 0, waiting: 0 });
  await expect(pool.enter(leaver.signal)).rejects.toThrow('gone');
});

test('whatever comes, leaves and goes away, places are counted exactly', async () => {
  const step = fc.oneof(
    fc.constant({ kind: 'enter' as const }),
    fc.record({ kind: fc.constantFrom('leave' as const, 'abort' as const), which: fc.nat(30) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), async (size, steps) => {
      const pool = new RunPool(size, 5);
      const held: Disposable[] = [];
      const callers: AbortController[] = [];
      for (const one of steps) {
        if (one.kind === 'enter') {
          const caller = new AbortController();
          callers.push(caller);
          pool.enter(caller.signal).then(
            (place) => held.push(place),
            () => undefined,
          );
        } else if (one.kind === 'leave') held.splice(one.which % (held.length + 1), 1)[0]?.[Symbol.dispose]();
        else callers[one.which % (callers.length + 1)]?.abort(new Error('gone'));
        await Bun.sleep(0);
        const { poolSize, available, inUse, waiting } = pool.view;
        expect([poolSize, available + inUse, inUse]).toEqual([size, size, held.length]);
        expect(waiting === 0 || inUse === size).toBe(true);
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
