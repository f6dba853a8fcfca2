import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
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
    await expect(admission.wait(ask()).lease).rejects.toMatchObject({ code: 'queue_full' });
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
    await expect(admission.wait(ask()).lease).rejects.toMatchObject({ code: 'no_endpoint_available', retryAfterS: 5 });
    a.state = 'rate_limited';
    a.pausedUntil = 7_000;
    await expect(admission.wait(ask()).lease).rejects.toMatchObject({ code: 'rate_limit_exceeded', retryAfterS: 7 });
    a.state = 'healthy';
    const held = admission.tryAcquire(ask());
    await expect(admission.wait(ask()).lease).rejects.toMatchObject({ code: 'queue_timeout' });
    a.state = 'warming';
    await expect(admission.wait(ask()).lease).rejects.toMatchObject({ code: 'model_loading' });
    held?.[Symbol.dispose]();
  });

  test('an end refuses all who wait', async () => {
    admission.tryAcquire(ask());
    admission.tryAcquire(ask());
    const { lease } = admission.wait(ask());
    admission[Symbol.dispose]();
    await expect(lease).rejects.toMatchObject({ code: 'draining' });
  });
});
