import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { FakeClock, systemClock } from './clock.ts';

test('a fake clock wakes sleepers in order, and lets their code run between', async () => {
  const clock = new FakeClock();
  const seen: string[] = [];
  const after = async (ms: number, name: string) => clock.sleep(ms).then(() => seen.push(`${name}@${clock.now()}`));
  void after(20, 'b');
  void after(10, 'a').then(() => after(5, 'c'));
  await clock.advance(30);
  expect(seen).toEqual(['a@10', 'c@15', 'b@20']);
  expect([clock.now(), clock.wall()]).toEqual([30, 1_700_000_000_030]);
});

test('sleepers wake at their time whatever the order they came in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 6 }), async (waits) => {
      const clock = new FakeClock();
      const seen: number[] = [];
      for (const ms of waits) void clock.sleep(ms).then(() => seen.push(clock.now()));
      await clock.advance(50);
      return seen.join() === waits.toSorted((a, b) => a - b).join();
    }),
    { numRuns: 20 },
  );
});

test('sleep ends early with the reason of the signal', async () => {
  for (const clock of [systemClock, new FakeClock()]) {
    const controller = new AbortController();
    const sleep = clock.sleep(60_000, controller.signal);
    controller.abort(new Error('enough'));
    expect(await thrower(sleep)).toThrow('enough');
    expect(await thrower(clock.sleep(1, AbortSignal.abort(new Error('before'))))).toThrow('before');
  }
});

test('the system clock goes forward', async () => {
  const before = systemClock.now();
  await systemClock.sleep(5);
  expect(systemClock.now() - before).toBeGreaterThanOrEqual(4);
  expect(systemClock.wall()).toBeGreaterThan(1_700_000_000_000);
});
