import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { Stopped } from '@labmesh/kit/run';
import fc from 'fast-check';
import { idAt } from '../../fleet/read-events.ts';
import { failed, type FleetGround, openFleetGround, quickClock } from '../../testing/fleet-ground.ts';
import { health, id, replica } from '../../testing/fleet-samples.ts';

let ground: FleetGround;
beforeAll(async () => (ground = await openFleetGround()));
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => void (ground.labd.asked.length = 0));

const event = (n: number, type = 'agent-connected') => ({
  id: id(n),
  at: '2026-01-01T12:00:00.000Z',
  type,
  resource: 'server',
  resourceId: id(1),
  details: { hostname: 'web-1', count: n },
});
const sse = (...events: object[]) => ({
  text: `: labmesh events\n\n${events.map((one) => `id: x\nevent: y\ndata: ${JSON.stringify(one)}\n\n`).join('')}`,
  headers: { 'content-type': 'text/event-stream' },
});
const sinceOf = (path: string) => new URL(path, 'http://x').searchParams.get('since');

describe('events', () => {
  test('those of the last hour, page by page, each once', async () => {
    const pages = [[event(100), event(101)], [event(102, 'agent-lost')], []];
    ground.on('GET /api/events', () => sse(...(pages.shift() ?? [])));
    const { exitCode, stdout } = await ground.labctl('events');
    expect(exitCode).toBe(0);
    expect(stdout.split('\n')).toEqual([
      `2026-01-01 12:00:00  agent-connected  server/${id(1)}  hostname=web-1 count=100`,
      `2026-01-01 12:00:00  agent-connected  server/${id(1)}  hostname=web-1 count=101`,
      `2026-01-01 12:00:00  agent-lost  server/${id(1)}  hostname=web-1 count=102`,
      '',
    ]);
    const since = ground.labd.asked.map(({ path }) => sinceOf(path));
    expect(since.slice(1)).toEqual([id(101), id(102)]);
    const begin = Number.parseInt((since[0] ?? '').replace('-', '').slice(0, 12), 16);
    expect(Math.abs(Date.now() - 3_600_000 - begin)).toBeLessThan(60_000);
  });

  test('ndjson are the API’s objects; nothing at all is told', async () => {
    const pages = [[event(100)]];
    ground.on('GET /api/events', () => sse(...(pages.shift() ?? [])));
    expect(JSON.parse((await ground.labctl('events --since 1d -o ndjson')).stdout)).toEqual(event(100));
    expect(await ground.labctl('events --since 1d')).toMatchObject({ stdout: '', stderr: 'nothing happened\n' });
    expect((await ground.labctl('events --since soon')).exitCode).toBe(2);
  });

  test('-f goes on where it was cut', async () => {
    const stopping = new AbortController();
    const asks = [
      () => sse(event(100)),
      () => failed('SHUTTING_DOWN', 503, { retryAfterMs: 1e9 }),
      () => sse(event(101)),
    ];
    ground.on('GET /api/events', () => (asks.shift() ?? (() => sse()))());
    const sleep = async () => {
      if (asks.length > 0) return;
      stopping.abort(new Stopped());
      throw stopping.signal.reason as Error;
    };
    const life = {
      signal: stopping.signal,
      stack: new AsyncDisposableStack(),
      stopped: new Promise<void>(() => {}),
      stop: () => {},
    };
    const { exitCode, stdout, stderr } = await ground.labctl('events -f', { life, clock: { ...quickClock, sleep } });
    expect(exitCode).toBe(130);
    expect(stdout.match(/count=\d+/g)).toEqual(['count=100', 'count=101']);
    expect(stderr).toContain('going on from there');
    expect(ground.labd.asked.map(({ path }) => sinceOf(path)).slice(1)).toEqual([id(100), id(100)]);
  });

  test('-f without rights ends at once', async () => {
    ground.on('GET /api/events', () => failed('PERMISSION_DENIED', 403));
    expect((await ground.labctl('events -f')).exitCode).toBe(4);
  });

  test('the smallest id of a moment lies before all ids of that moment', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 44 }), (ms) => {
        const found = idAt(new Date(ms).toISOString());
        expect(found).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7000-8000-0{12}$/);
        expect(Number.parseInt(found.replaceAll('-', '').slice(0, 12), 16)).toBe(ms);
      }),
    );
  });
});

describe('system status', () => {
  test('fields, and JSON as labd gives it', async () => {
    ground.on('GET /health/detailed', health({ replicas: [replica(), replica({ live: false, id: id(99) })] }));
    const { exitCode, stdout } = await ground.labctl('system status');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Version     0.1.0, up 1h\n');
    expect(stdout).toContain(`Replicas    1 of 2 live; lost: ${id(99)}\n`);
    expect(stdout).toContain('Agents      3 of 4 connected here\n');
    expect(stdout).toContain('Database    sqlite, ok, 0.2 ms\n');
    expect(JSON.parse((await ground.labctl('system status -o json')).stdout).status).toBe('ok');
  });

  test('exit 1 when it is not ok', async () => {
    ground.on(
      'GET /health/detailed',
      health({ status: 'degraded', audit: { headSeq: 1, lagMs: 9_000 }, ca: { phase: 'init', notAfter: null } }),
    );
    const { exitCode, stdout } = await ground.labctl('system status');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('Audit       row 1, 9s behind');
  });
});
