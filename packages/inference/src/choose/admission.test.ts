import { errorOf } from '@labmesh/wire/testing/errors';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Endpoint, endpointSpec } from '../registry/endpoint.ts';
import { Registry } from '../watch/registry.ts';
import { Admission, type AdmissionAsk } from './admission.ts';

let registry: Registry;
let admission: Admission;
let a: Endpoint;
let b: Endpoint;

beforeEach(() => {
  registry = new Registry({
    clock: new FakeClock(),
    log: silentLogger,
    fetch: () => Promise.reject(new Error('not asked')),
  });
  const add = (name: string) =>
    registry.add(endpointSpec({ name, baseUrl: `http://${name}.test/v1`, kind: 'vllm', maxConcurrent: 1 }));
  [a, b] = [add('a'), add('b')];
  a.state = b.state = 'healthy';
  admission = new Admission({
    registry,
    clock: new FakeClock(),
    limits: { queueMax: 2, queueMs: 400, loadMs: 900, downWaitMs: 0 },
  });
});
afterEach(async () => {
  admission[Symbol.dispose]();
  await registry[Symbol.asyncDispose]();
});

const ask = (over: Partial<AdmissionAsk> = {}): AdmissionAsk => ({
  model: 'm',
  queue: 'm',
  candidates: () => [a, b],
  tried: new Set(),
  ...over,
});

describe('Admission', () => {
  test('fills the endpoints up to their caps, then makes wait, first come first served', async () => {
    const first = admission.tryAcquire(ask());
    const second = admission.tryAcquire(ask());
    expect(new Set([first?.endpoint, second?.endpoint])).toEqual(new Set([a, b]));
    expect(admission.tryAcquire(ask())).toBeUndefined();
    const order: number[] = [];
    const waiting = [1, 2].map((n) => admission.wait(ask()).lease.then((lease) => (order.push(n), lease)));
    expect(await errorOf(admission.wait(ask()).lease)).toMatchObject({ code: 'queue_full' });
    first?.[Symbol.dispose]();
    first?.[Symbol.dispose]();
    (await waiting[0])?.[Symbol.dispose]();
    (await waiting[1])?.[Symbol.dispose]();
    expect(order).toEqual([1, 2]);
    second?.[Symbol.dispose]();
    expect([a.own, b.own, admission.queued]).toEqual([0, 0, 0]);
  });

  test('one that failed at an endpoint and waits for a full other one holds nobody up', async () => {
    const busy = admission.tryAcquire(ask({ candidates: () => [b] }));
    const retry = admission.wait(ask({ tried: new Set([a]) }));
    const started = performance.now();
    const fresh = admission.tryAcquire(ask()) ?? (await admission.wait(ask()).lease);
    expect(fresh.endpoint).toBe(a);
    expect(performance.now() - started).toBeLessThan(100);
    busy?.[Symbol.dispose]();
    expect((await retry.lease).endpoint).toBe(b);
  });

  test('names with other candidates have queues of their own', async () => {
    const busy = admission.tryAcquire(ask({ candidates: () => [a] }));
    const pinned = admission.wait(ask({ queue: 'pinned', candidates: () => [a] }));
    expect(admission.tryAcquire(ask())?.endpoint).toBe(b);
    pinned.cancel();
    expect(admission.queuedFor('pinned')).toBe(0);
    busy?.[Symbol.dispose]();
    expect(a.own).toBe(0);
  });

  test('says why waiting is of no use: nobody up, all asked to pause, too long, still loading', async () => {
    a.state = b.state = 'unhealthy';
    expect(await errorOf(admission.wait(ask()).lease)).toMatchObject({ code: 'no_endpoint_available', retryAfterS: 5 });
    a.state = 'rate_limited';
    a.pausedUntil = 7_000;
    expect(await errorOf(admission.wait(ask()).lease)).toMatchObject({ code: 'rate_limit_exceeded', retryAfterS: 7 });
    a.state = 'healthy';
    const held = admission.tryAcquire(ask());
    expect(await errorOf(admission.wait(ask()).lease)).toMatchObject({ code: 'queue_timeout' });
    a.state = 'warming';
    expect(await errorOf(admission.wait(ask()).lease)).toMatchObject({ code: 'model_loading' });
    held?.[Symbol.dispose]();
  });

  test('an end refuses all who wait', async () => {
    admission.tryAcquire(ask());
    admission.tryAcquire(ask());
    const { lease } = admission.wait(ask());
    admission[Symbol.dispose]();
    expect(await errorOf(lease)).toMatchObject({ code: 'draining' });
  });
});

describe('a line', () => {
  type Who = { group: string; priority: number };
  /** Starts in their order: all wait at one place, which each gives on. */
  async function starts(line: Admission, waits: readonly Who[]): Promise<Who[]> {
    const one = { candidates: () => [a] };
    const first = line.tryAcquire(ask(one));
    const order: Who[] = [];
    const all = waits.map(async (who) => {
      const lease = await line.wait(ask({ ...one, turn: () => who })).lease;
      order.push(who);
      lease[Symbol.dispose]();
    });
    expect(line.queuedFor('m')).toBe(waits.length);
    first?.[Symbol.dispose]();
    await Promise.all(all);
    expect([line.queued, line.queuedFor('m'), a.own]).toEqual([0, 0, 0]);
    return order;
  }
  const opened = (queueMax: number, tenantShare = 1, clock = new FakeClock()) =>
    new Admission({ registry, clock, limits: { queueMax, tenantShare } });

  test('gives tenants turns: while one waits no other starts two more than it; each one’s own stay in order', async () => {
    const groups = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(groups, async (arrived) => {
        using line = opened(40);
        const waits = arrived.map((group) => ({ group, priority: 2 }));
        const order = await starts(line, waits);
        const started = new Map<string, number>();
        for (const [at, { group }] of order.entries()) {
          started.set(group, (started.get(group) ?? 0) + 1);
          const waiting = new Set(order.slice(at + 1).map((one) => one.group));
          for (const other of waiting) expect(started.get(group)).toBeLessThanOrEqual((started.get(other) ?? 0) + 1);
        }
        for (const name of ['a', 'b', 'c'])
          expect(order.filter(({ group }) => group === name)).toEqual(waits.filter(({ group }) => group === name));
      }),
      { numRuns: 50 },
    );
  });

  test('lets the higher class go first, until the others are older', async () => {
    const clock = new FakeClock();
    using line = opened(10, 1, clock);
    const low = { group: 'a', priority: 1 };
    const high = { group: 'b', priority: 3 };
    expect(await starts(line, [low, high, high])).toEqual([high, high, low]);
    const held = line.tryAcquire(ask({ candidates: () => [a] }));
    const order: Who[] = [];
    const enter = (who: Who) =>
      line.wait(ask({ candidates: () => [a], turn: () => who })).lease.then((lease) => {
        order.push(who);
        lease[Symbol.dispose]();
      });
    const old = enter(low);
    await clock.advance(60_000);
    const fresh = enter(high);
    held?.[Symbol.dispose]();
    await Promise.all([old, fresh]);
    expect(order).toEqual([low, high]);
  });

  test('is one tenant’s up to its share alone; what leaves it makes room', async () => {
    using line = opened(4, 0.5);
    const held = line.tryAcquire(ask({ candidates: () => [a] }));
    const enter = (group: string) => line.wait(ask({ candidates: () => [a], turn: () => ({ group, priority: 2 }) }));
    const first = enter('a');
    const rest = [enter('a'), enter('b')];
    expect(await errorOf(enter('a').lease)).toMatchObject({ code: 'queue_full' });
    first.cancel();
    rest.push(enter('a'), enter('b'));
    expect(await errorOf(enter('c').lease)).toMatchObject({ code: 'queue_full' });
    held?.[Symbol.dispose]();
    for (const { lease } of rest) void lease.then((one) => one[Symbol.dispose]());
    await Promise.all(rest.map(({ lease }) => lease));
  });

  test('is no way past others for one that failed elsewhere', async () => {
    using line = opened(10);
    const held = [line.tryAcquire(ask()), line.tryAcquire(ask())];
    const order: string[] = [];
    const enter = (name: string, group: string, tried: Endpoint[]) =>
      line.wait(ask({ tried: new Set(tried), turn: () => ({ group, priority: 2 }) })).lease.then((lease) => {
        order.push(name);
        lease[Symbol.dispose]();
      });
    const all = [enter('a1', 'a', [a]), enter('a2', 'a', [a]), enter('b1', 'b', [])];
    const atB = held.find((lease) => lease?.endpoint === b);
    atB?.[Symbol.dispose]();
    await Promise.all(all);
    expect(order).toEqual(['a1', 'b1', 'a2']);
    for (const lease of held) lease?.[Symbol.dispose]();
  });
});
