import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Reader, Store } from '@labmesh/store/store';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import fc from 'fast-check';
import { DenyList, type DenyKind, denyKinds, staleMs } from './deny-list.ts';
import { caBench, me } from './testing/ca-bench.ts';

const asSubject = (kind: DenyKind, value: string) =>
  ({
    serial: { serial: value },
    identity: { identity: value },
    key: { keyHash: value },
    machine: { machineId: value },
  })[kind];

test('denied and lifted, in memory after the poll, on other replicas too (CA-8, CA-9)', async () => {
  await using bench = await caBench({ injectFaults: 'twice' });
  const [a, b] = [await bench.denyList(), await bench.denyList()];
  for (const kind of denyKinds) {
    const subject = asSubject(kind, 'x');
    await bench.store.write(me, (tx) => a.deny(tx, kind, 'x', 'test'));
    expect(a.check(subject)).toBeUndefined();
    await a.poll();
    expect(a.check(subject)).toBe(kind);
    expect(b.check(subject)).toBeUndefined();
    await b.poll();
    expect(b.check(subject)).toBe(kind);
    await bench.store.write(me, (tx) => a.lift(tx, kind, 'x'));
    await Promise.all([a.poll(), b.poll()]);
    expect([a.check(subject), b.check(subject)]).toEqual([undefined, undefined]);
  }
  expect(a.check({})).toBeUndefined();
});

test('CA-8 who denied or lifted tells it once, after the commit; who only reads tells nothing', async () => {
  await using bench = await caBench();
  const [a, b] = [await bench.denyList(), await bench.denyList()];
  const told: string[] = [];
  a.onWritten(() => told.push('a'));
  // What a link between replicas does.
  const stop = a.onWritten(() => void b.poll());
  b.onWritten(() => told.push('b'));
  await a.written();
  expect(told).toEqual([]);
  await bench.store.write(me, async (tx) => {
    await a.deny(tx, 'serial', 'x', 'test');
    await a.deny(tx, 'serial', 'y', 'test');
  });
  await a.written();
  expect(a.check({ serial: 'x' })).toBe('serial');
  await b.poll();
  expect(b.check({ serial: 'y' })).toBe('serial');
  await Promise.all([a.written(), b.written()]);
  expect(told).toEqual(['a']);
  stop();
  await bench.store.write(me, (tx) => b.lift(tx, 'serial', 'x'));
  await b.written();
  expect(told).toEqual(['a', 'b']);
});

test('a denial that was rolled back denies nobody', async () => {
  await using bench = await caBench();
  const list = await bench.denyList();
  const work = bench.store.write(me, async (tx) => {
    await list.deny(tx, 'serial', 'x', 'test');
    throw new Error('no');
  });
  expect(await thrower(work)).toThrow('no');
  await list.poll();
  expect(list.check({ serial: 'x' })).toBeUndefined();
  expect(list.version).toBe(0);
});

test('memory agrees with a model after any changes, however they are paged and repeated', async () => {
  await using bench = await caBench();
  const step = fc.record({
    kind: fc.constantFrom(...denyKinds),
    value: fc.constantFrom('a', 'b', 'c'),
    isDenied: fc.boolean(),
  });
  const follower = await bench.denyList();
  const model = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      for (const { kind, value, isDenied } of steps) {
        if (isDenied) model.add(`${kind}:${value}`);
        else model.delete(`${kind}:${value}`);
        await bench.store.write(me, (tx) =>
          isDenied ? follower.deny(tx, kind, value, '') : follower.lift(tx, kind, value),
        );
      }
      await follower.poll();
      const fresh = await DenyList.open({ store: bench.store, clock: bench.clock, log: silentLogger });
      for (const kind of denyKinds) {
        for (const value of ['a', 'b', 'c']) {
          const expected = model.has(`${kind}:${value}`) ? kind : undefined;
          expect(follower.check(asSubject(kind, value))).toBe(expected);
          expect(fresh.check(asSubject(kind, value))).toBe(expected);
        }
      }
      await fresh[Symbol.asyncDispose]();
    }),
    { numRuns: 20 },
  );
});

test('more than one page is read whole', async () => {
  await using bench = await caBench();
  const list = await bench.denyList();
  await bench.store.write(me, async (tx) => {
    for (let index = 0; index < 1_100; index++) await list.deny(tx, 'serial', `s${index}`, 'bulk');
  });
  await list.poll();
  expect(list.version).toBe(1_100);
  expect([list.check({ serial: 's0' }), list.check({ serial: 's1099' })]).toEqual(['serial', 'serial']);
});

test('polls each second by itself, tells of changes once, and not of quiet', async () => {
  await using bench = await caBench();
  const writer = await bench.denyList();
  const list = await DenyList.open({ store: bench.store, clock: bench.clock, log: silentLogger });
  let changes = 0;
  const stop = list.onChange(() => changes++);
  list.onChange(() => {
    throw new Error('a listener at fault');
  });
  await bench.store.write(me, (tx) => writer.deny(tx, 'key', 'k', 'test'));
  for (let waited = 0; waited < 50 && changes === 0; waited++) {
    await bench.clock.advance(1_000);
    await Bun.sleep(2);
  }
  expect(list.check({ keyHash: 'k' })).toBe('key');
  expect(changes).toBe(1);
  stop();
  await bench.store.write(me, (tx) => writer.lift(tx, 'key', 'k'));
  await list.poll();
  expect(changes).toBe(1);
  await list[Symbol.asyncDispose]();
});

test('a list older than 30 s lets nothing new begin: REVOCATION_STALE (CA-8)', async () => {
  await using bench = await caBench();
  let isAway = false;
  const store = Object.assign(Object.create(bench.store) as Store, {
    read: <T>(principal: Principal, query: (db: Reader) => Promise<T>) => {
      if (isAway) return Promise.reject(new FleetError('STORE_UNAVAILABLE'));
      return bench.store.read(principal, query);
    },
  });
  const list = await DenyList.open({ store, clock: bench.clock, log: silentLogger, pollMs: 1e12 });
  await bench.clock.advance(staleMs);
  list.assertFresh();
  isAway = true;
  await bench.clock.advance(1);
  await list.poll();
  expect(list.ageMs()).toBe(staleMs + 1);
  expect(() => list.assertFresh()).toThrow(expect.objectContaining({ code: 'REVOCATION_STALE' }));
  isAway = false;
  await list.poll();
  expect(list.ageMs()).toBe(0);
  list.assertFresh();
  await list[Symbol.asyncDispose]();
});

test('denials are rows: another process over the same file denies the same (trap: restore un-revokes)', async () => {
  await using bench = await caBench();
  const list = await bench.denyList();
  await bench.store.write(me, (tx) => list.deny(tx, 'identity', 'spiffe://labmesh.internal/agent/a1', 'banned'));
  await bench.store[Symbol.asyncDispose]();
  await using store = await openStore({ url: `sqlite://${bench.file}` });
  await using again = await DenyList.open({ store, clock: bench.clock, log: silentLogger });
  expect(again.check({ identity: 'spiffe://labmesh.internal/agent/a1' })).toBe('identity');
});
