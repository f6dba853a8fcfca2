import { afterEach, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import type { ProbeFetch } from '../probe/probe-fetch.ts';
import { endpointSpec, type EndpointSpec, type EndpointState } from '../registry/endpoint.ts';
import { Registry } from './registry.ts';

/** A vLLM whose answers a test can change. */
class Engine {
  health: [status: number, body: string, retryAfter?: string] = [200, ''];
  code: string | undefined;
  models = ['m'];
  listStatus = 200;
  readonly asked: string[] = [];

  readonly fetch: ProbeFetch = async (_target, { path }) => {
    this.asked.push(path);
    if (this.code !== undefined) throw Object.assign(new Error('simulated'), { code: this.code });
    const data = this.models.map((id) => ({ id, owned_by: 'vllm' }));
    const [status, body, retryAfter] =
      path === '/health'
        ? this.health
        : path === '/v1/models'
          ? ([this.listStatus, JSON.stringify({ data })] as const)
          : ([404, ''] as const);
    return { status, header: () => retryAfter, body: new TextEncoder().encode(body) };
  };
  count(path: string): number {
    return this.asked.filter((each) => each === path).length;
  }
}

/** Lets the loops take up what was just said to them before time moves. */
class SettledClock extends FakeClock {
  override async advance(ms: number): Promise<void> {
    await Bun.sleep(0);
    await super.advance(ms);
    await Bun.sleep(0);
  }
}

const open: Registry[] = [];
afterEach(async () => {
  for (const registry of open.splice(0)) await registry[Symbol.asyncDispose]();
});

async function setUp(given: { spec?: Partial<EndpointSpec>; engine?: Engine } = {}) {
  const clock = new SettledClock();
  const engine = given.engine ?? new Engine();
  const lines: string[] = [];
  const log = createLogger({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  const registry = new Registry({ clock, log, fetch: engine.fetch, random: () => 0.5 });
  open.push(registry);
  const endpoint = registry.add(endpointSpec({ name: 'e', baseUrl: 'http://e/v1', kind: 'vllm', ...given.spec }));
  await registry.start(new AbortController().signal);
  const changes: EndpointState[] = [];
  registry.onChange(() => changes.push(endpoint.state));
  const states = () =>
    lines.filter((line) => line.includes('endpoint state')).map((line) => (JSON.parse(line) as { to: string }).to);
  return { clock, engine, registry, endpoint, changes, lines, states };
}

describe('states by traffic (gateway spec §2.3)', () => {
  test('2xx: healthy', async () => {
    const { registry, endpoint } = await setUp();
    registry.noteTraffic(endpoint, { type: 'success' });
    expect(endpoint.state).toBe('healthy');
    expect(registry.usable(endpoint)).toBe(true);
  });

  test('503 loading: warming, until a probe finds it ready', async () => {
    const { clock, registry, endpoint } = await setUp();
    registry.noteTraffic(endpoint, { type: 'status', status: 503, body: '{"error":{"message":"Loading model"}}' });
    expect(endpoint.state).toBe('warming');
    expect(registry.usable(endpoint)).toBe(false);
    await clock.advance(1_001);
    expect(endpoint.state).toBe('healthy');
  });

  test('server busy: busy, left alone for a second, and waiters are woken after it', async () => {
    const { clock, registry, endpoint, changes } = await setUp();
    registry.noteTraffic(endpoint, { type: 'status', status: 503, body: '{"error":"server busy, please try again."}' });
    expect(endpoint.state).toBe('busy');
    expect(registry.usable(endpoint)).toBe(false);
    changes.length = 0;
    await clock.advance(1_001);
    expect(registry.usable(endpoint)).toBe(true);
    expect(changes.length).toBeGreaterThan(0);
  });

  test('429: a pause of Retry-After, else 5 s doubling to 60', async () => {
    const { clock, registry, endpoint } = await setUp();
    registry.noteTraffic(endpoint, { type: 'status', status: 429, retryAfterS: 3 });
    expect(endpoint.state).toBe('rate_limited');
    await clock.advance(2_900);
    expect(registry.usable(endpoint)).toBe(false);
    await clock.advance(200);
    expect(registry.usable(endpoint)).toBe(true);
    const pauses: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const now = clock.now();
      registry.noteTraffic(endpoint, { type: 'status', status: 429 });
      pauses.push(endpoint.pausedUntil - now);
      await clock.advance(endpoint.pausedUntil - now + 1);
    }
    expect(pauses).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
    registry.noteTraffic(endpoint, { type: 'success' });
    registry.noteTraffic(endpoint, { type: 'status', status: 429 });
    expect(endpoint.pausedUntil - clock.now()).toBe(5_000);
  });

  test('401: config_error for 300 s, though its liveness route is fine', async () => {
    const { clock, registry, endpoint } = await setUp();
    registry.noteTraffic(endpoint, { type: 'status', status: 401 });
    expect(endpoint.state).toBe('config_error');
    await clock.advance(299_000);
    expect(endpoint.state).toBe('config_error');
    await clock.advance(2_000);
    expect(endpoint.state).toBe('healthy');
  });

  test('400, 404, 422: unchanged; a 404 reads the list again', async () => {
    const { clock, engine, registry, endpoint } = await setUp();
    await clock.advance(6_000);
    const lists = engine.count('/v1/models');
    for (const status of [400, 404, 404, 422]) registry.noteTraffic(endpoint, { type: 'status', status });
    expect(endpoint.state).toBe('healthy');
    await clock.advance(10);
    expect(engine.count('/v1/models')).toBe(lists + 1);
  });

  test('three failures in a row: unhealthy; two good probes: healthy', async () => {
    const { clock, registry, endpoint, states } = await setUp();
    for (let i = 0; i < 3; i += 1) registry.noteTraffic(endpoint, { type: 'failure', reason: 'timeout' });
    expect(endpoint.state).toBe('unhealthy');
    await clock.advance(700);
    expect(endpoint.state).toBe('unhealthy');
    await clock.advance(600);
    expect(endpoint.state).toBe('healthy');
    expect(states()).toEqual(['healthy', 'unhealthy', 'healthy']);
  });

  test('refused plus a failed re-probe: down within half a second; a good re-probe clears it', async () => {
    const { clock, engine, registry, endpoint } = await setUp();
    registry.noteTraffic(endpoint, { type: 'failure', reason: 'reset' });
    expect(registry.usable(endpoint)).toBe(true);
    await clock.advance(600);
    expect(endpoint).toMatchObject({ state: 'healthy', consecutiveFailures: 0 });
    engine.code = 'ECONNREFUSED';
    registry.noteTraffic(endpoint, { type: 'failure', reason: 'connect' });
    await clock.advance(501);
    expect(endpoint.state).toBe('unhealthy');
  });
});

describe('probes', () => {
  test('hysteresis: 3 failed probes down; while down the interval grows to 60 s', async () => {
    const { clock, engine, endpoint } = await setUp();
    engine.health = [500, ''];
    await clock.advance(10_001);
    expect(endpoint).toMatchObject({ state: 'healthy', consecutiveFailures: 1 });
    await clock.advance(2_000);
    expect(endpoint.state).toBe('unhealthy');
    await clock.advance(600_000);
    const before = engine.count('/health');
    await clock.advance(600_000);
    expect(engine.count('/health') - before).toBe(10);
  });

  test('one failure is enough at the first pass', async () => {
    const engine = new Engine();
    engine.code = 'ECONNREFUSED';
    const { endpoint } = await setUp({ engine });
    expect(endpoint.state).toBe('unhealthy');
    expect(endpoint.reason).toContain('connect');
  });

  test('answered requests replace them; lists are read all the same', async () => {
    const { clock, engine, registry, endpoint } = await setUp();
    const before = engine.count('/health');
    for (let i = 0; i < 14; i += 1) {
      await clock.advance(5_000);
      registry.noteTraffic(endpoint, { type: 'success' });
    }
    expect(engine.count('/health')).toBe(before);
    expect(engine.count('/v1/models')).toBe(2);
  });

  test('a list behind a key tells what /health does not', async () => {
    const engine = new Engine();
    engine.listStatus = 401;
    const { endpoint } = await setUp({ engine });
    expect(endpoint.state).toBe('config_error');
  });

  test('a broken list keeps the last good one', async () => {
    const { clock, engine, registry, endpoint, lines } = await setUp();
    engine.listStatus = 500;
    await clock.advance(200_000);
    expect(endpoint.state).toBe('healthy');
    expect(registry.serving('m')).toEqual([endpoint]);
    expect(lines.filter((line) => line.includes('unreadable')).length).toBe(1);
  });
});

describe('the breaker', () => {
  test('opens at five failures, admits one trial after 30 s, closes on its success', async () => {
    const { clock, registry, endpoint, changes } = await setUp();
    for (let i = 0; i < 5; i += 1) {
      registry.noteTraffic(endpoint, { type: 'status', status: 500 });
      // The good probe in between keeps the state healthy: only the breaker remembers.
      await clock.advance(600);
    }
    expect(endpoint.state).toBe('healthy');
    expect(registry.usable(endpoint)).toBe(false);
    changes.length = 0;
    await clock.advance(29_300);
    expect(registry.usable(endpoint)).toBe(false);
    await clock.advance(200);
    expect(changes.length).toBeGreaterThan(0);
    expect(registry.usable(endpoint)).toBe(true);
    registry.noteStart(endpoint);
    expect(registry.usable(endpoint)).toBe(false);
    registry.noteTraffic(endpoint, { type: 'abandoned' });
    expect(registry.usable(endpoint)).toBe(true);
    registry.noteStart(endpoint);
    registry.noteTraffic(endpoint, { type: 'success' });
    expect(registry.usable(endpoint)).toBe(true);
  });

  test('opened by refused connections, it closes when the endpoint is back', async () => {
    const { clock, engine, registry, endpoint } = await setUp();
    engine.code = 'ECONNREFUSED';
    for (let i = 0; i < 8; i += 1) registry.noteTraffic(endpoint, { type: 'failure', reason: 'connect' });
    expect(endpoint.state).toBe('unhealthy');
    engine.code = undefined;
    await clock.advance(1_500);
    expect(registry.usable(endpoint)).toBe(true);
  });
});

describe('endpoints and models', () => {
  test('filters apply, the index is swapped and never changed in place', async () => {
    const engine = new Engine();
    engine.models = ['a', 'b', 'b-embed'];
    const { clock, registry, endpoint } = await setUp({
      engine,
      spec: { modelsInclude: ['b*'], modelsExclude: ['*embed'] },
    });
    const before = registry.models();
    expect([...before.keys()]).toEqual(['b']);
    engine.models = ['b2'];
    await clock.advance(70_000);
    expect([...before.keys()]).toEqual(['b']);
    expect([...registry.models()]).toEqual([['b2', [endpoint]]]);
  });

  test('refreshOnMiss: one at a time and at most every 5 s', async () => {
    const { clock, engine, registry } = await setUp();
    await registry.refreshOnMiss();
    expect(engine.count('/v1/models')).toBe(1);
    await clock.advance(5_001);
    engine.models = ['late'];
    await Promise.all([registry.refreshOnMiss(), registry.refreshOnMiss()]);
    expect(engine.count('/v1/models')).toBe(2);
    expect(registry.serving('late').length).toBe(1);
  });

  test('one removed is gone from the index and asked no more; one added later is probed at once', async () => {
    const { clock, engine, registry } = await setUp();
    registry.remove('e');
    expect(registry.models().size).toBe(0);
    const before = engine.asked.length;
    await clock.advance(60_000);
    expect(engine.asked.length).toBe(before);
    const added = registry.add(endpointSpec({ name: 'e', baseUrl: 'http://e/v1', kind: 'vllm' }));
    await clock.advance(1);
    await Bun.sleep(1);
    expect(added.state).toBe('healthy');
    expect(() => registry.add(added.spec)).toThrow('two endpoints');
  });

  test('max_concurrent is a hard capacity', async () => {
    const { endpoint } = await setUp({ spec: { maxConcurrent: 3 } });
    expect(endpoint).toMatchObject({ capacity: 3, capacityHard: true });
  });

  test('ends with its signal', async () => {
    const engine = new Engine();
    const registry = new Registry({
      clock: new FakeClock(),
      log: createLogger({ level: 'error', format: 'json', write: () => {} }),
      fetch: engine.fetch,
    });
    registry.add(endpointSpec({ name: 'e', baseUrl: 'http://e/v1', kind: 'vllm' }));
    const controller = new AbortController();
    await registry.start(controller.signal);
    controller.abort();
    await registry[Symbol.asyncDispose]();
  });
});
