import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import fc from 'fast-check';
import { openSharedClock } from './shared-clock.ts';

const dayMs = 86_400_000;

/** A database whose clock is `aheadMs` before ours, and an answer that takes `thereMs` to be made, `backMs` to come. */
function world(engine: Store['engine'] = 'postgres') {
  const clock = new FakeClock();
  const said: string[] = [];
  const network = { aheadMs: 0, thereMs: 0, backMs: 0, isAway: false };
  const read = async () => {
    await clock.advance(network.thereMs);
    if (network.isAway) throw new Error('away');
    const told = clock.wall() + network.aheadMs;
    await clock.advance(network.backMs);
    return { told };
  };
  const store = { engine, clock, read } as unknown as Store;
  const log = { ...silentLogger, warn: (text: string) => void said.push(text) };
  const truth = () => clock.wall() + network.aheadMs;
  return { clock, network, said, truth, parts: { store, clock, log } };
}

test('RP-1 a machine whose clock is a day off goes by the database’s, and its operator hears of it once', async () => {
  await using stack = new AsyncDisposableStack();
  for (const aheadMs of [dayMs, -dayMs]) {
    const { clock, network, said, truth, parts } = world();
    network.aheadMs = aheadMs;
    const shared = await openSharedClock(parts, stack);
    expect(shared.wall()).toBe(truth());
    await clock.advance(7_000);
    expect(shared.wall()).toBe(truth());
    expect(said).toHaveLength(1);
  }
});

test('a clock that is right is left alone, however long the answers take', async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, network, said, parts } = world();
  const shared = await openSharedClock(parts, stack);
  await fc.assert(
    fc.asyncProperty(fc.nat(3_000), fc.nat(3_000), async (thereMs, backMs) => {
      Object.assign(network, { thereMs, backMs });
      await clock.advance(2_500);
      expect(shared.wall()).toBe(clock.wall());
    }),
    { numRuns: 50 },
  );
  expect(said).toEqual([]);
});

test('while the database is away time goes on, and is put right when it is back', async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, network, truth, parts } = world();
  network.aheadMs = dayMs;
  const shared = await openSharedClock(parts, stack);
  network.isAway = true;
  const before = shared.wall();
  await clock.advance(60_000);
  expect(shared.wall()).toBe(before + 60_000);
  Object.assign(network, { isAway: false, aheadMs: 2 * dayMs });
  await clock.advance(2_500);
  expect(shared.wall()).toBe(truth());
});

test('a database that is away at the start leaves nothing asking', async () => {
  const { network, parts } = world();
  network.isAway = true;
  let reads = 0;
  const read = (parts.store as unknown as { read: () => Promise<unknown> }).read;
  const store = { ...parts.store, read: () => (reads++, read()) } as unknown as Store;
  {
    await using stack = new AsyncDisposableStack();
    expect(await thrower(openSharedClock({ ...parts, store }, stack))).toThrow('away');
  }
  await parts.clock.advance(60_000);
  expect(reads).toBe(1);
});

test('with SQLite the own clock is the one that counts', async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, parts } = world('sqlite');
  expect(await openSharedClock(parts, stack)).toBe(clock);
});
