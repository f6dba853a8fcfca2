import { afterEach, describe, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import type { LiveNews } from '@labmesh/wire/verification/arena-live';
import fc from 'fast-check';
import { arenaWatch } from '../commands/arena/arena-watch.ts';
import { type TestWorld, testWorld } from '../testing/test-world.ts';
import { LiveCount, liveLine, lookText } from './live-text.ts';

const patientMs = 20_000;
const news = (topic: string, seq: number, data: LiveNews['data'] = {}): LiveNews => ({ topic, seq, ts: 0, data });

/** A gateway that says what a test has it say. */
class FakeGateway implements Disposable {
  status = 200;
  /** Sent after what was asked for was confirmed, connection by connection; then it is ended unless it is the last. */
  scripts: unknown[][] = [[]];
  readonly asked: string[] = [];
  readonly heard: string[] = [];
  connections = 0;
  readonly #server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request, server) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/ws') {
        return server.upgrade(request, { data: undefined }) ? undefined : new Response(null, { status: 400 });
      }
      this.asked.push(`${pathname} ${request.headers.get('authorization')}`);
      if (pathname.endsWith('/gone')) return Response.json({ message: 'no', code: 'NOT_FOUND' }, { status: 404 });
      return Response.json(this.status === 200 ? { at: pathname } : { message: 'no', code: 'x' }, {
        status: this.status,
      });
    },
    websocket: {
      message: (ws, text) => {
        this.heard.push(String(text));
        const { topics } = JSON.parse(String(text)) as { topics: string[] };
        const script = this.scripts[Math.min(this.connections++, this.scripts.length - 1)] ?? [];
        ws.send(JSON.stringify({ op: 'subscribed', topics }));
        for (const one of script) ws.send(typeof one === 'string' ? one : JSON.stringify(one));
        if (this.connections < this.scripts.length) ws.close(1013, 'the arena is away');
      },
    },
  });
  url = `http://127.0.0.1:${this.#server.port}/v1`;

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }
}

const running: Array<{ end: () => void; over: Promise<unknown> }> = [];
afterEach(async () => {
  for (const { end } of running) end();
  for (const { over } of running.splice(0)) await over;
});

/** Runs the command until a test ends it, or it ends itself. */
function watch({ url }: FakeGateway, ...words: string[]) {
  const stop = new AbortController();
  const life = { ...testWorld().life, signal: stop.signal };
  const world = testWorld({ clock: systemClock, life });
  const values = { api: url, key: 'lmk_x', data: undefined, json: true };
  const call = { values, positionals: words, rest: undefined, sources: {}, world, commands: [], file: undefined };
  const over = arenaWatch.run(call as unknown as Parameters<typeof arenaWatch.run>[0]).then(
    () => undefined,
    (error: unknown) => error,
  );
  running.push({ end: () => stop.abort(), over });
  return { world, over, stop };
}
const lines = ({ said }: TestWorld) =>
  said.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + patientMs; !isSo(); await Bun.sleep(5)) {
    if (performance.now() > end) throw new Error(`it did not come to be: ${isSo.toString()}`);
  }
}

describe('labctl arena watch', () => {
  test('says what it hears, as it was said; ends in order when it is told to', async () => {
    using gateway = new FakeGateway();
    const told = [news('runs', 1, { event: 'state' }), news('stats', 1), news('runs', 2)];
    gateway.scripts = [[...told.slice(0, 1), 'no JSON', { op: 'of another version' }, ...told.slice(1)]];
    const { world, over, stop } = watch(gateway, 'runs', 'stats');
    await until(() => lines(world).length === 3);
    expect(lines(world)).toEqual(told);
    expect(gateway.heard).toEqual(['{"op":"subscribe","topics":["runs","stats"]}']);
    expect(gateway.asked).toEqual(['/api/arena Bearer lmk_x']);
    stop.abort();
    expect(await over).toBeUndefined();
  });

  test('a gap: the state is asked for, once each, and shown with how many are missing', async () => {
    using gateway = new FakeGateway();
    gateway.scripts = [[news('runs', 1), news('runs', 4), news('stats', 3, { event: 'missed' }), news('run:gone', 2)]];
    const { world } = watch(gateway, 'runs', 'stats', 'run:gone');
    await until(() => lines(world).length === 6);
    expect(lines(world)).toEqual(
      expect.arrayContaining([
        { topic: 'runs', missed: 2, state: { at: '/api/arena/trajectories' } },
        { topic: 'stats', missed: 2, state: { at: '/api/arena/stats' } },
        { topic: 'run:gone', missed: 1, state: null },
      ]),
    );
    expect(lines(world)).not.toContainEqual(expect.objectContaining({ data: { event: 'missed' } }));
  });

  test('an end of the connection: it is made anew, and all topics are asked for', async () => {
    using gateway = new FakeGateway();
    gateway.scripts = [[news('runs', 1)], [news('runs', 1, { again: true })]];
    const { world } = watch(gateway, 'runs');
    await until(() => lines(world).length === 3);
    const gap = { topic: 'runs', missed: null, state: { at: '/api/arena/trajectories' } };
    expect(lines(world)).toEqual(expect.arrayContaining([gap, news('runs', 1, { again: true })]));
    expect(world.said.stderr).toContain('the arena is away');
  });

  test('what no waiting helps against ends it: no key, no topic, nobody there', async () => {
    using gateway = new FakeGateway();
    gateway.status = 403;
    expect(await watch(gateway).over).toMatchObject({ exitCode: 4 });
    for (const word of ['run', 'run:../x', 'chat', 'run:']) {
      expect(await watch(gateway, word).over).toMatchObject({ exitCode: 2 });
    }
    gateway.status = 503;
    expect(await watch(gateway).over).toMatchObject({ exitCode: 6 });
  });
});

describe('in words', () => {
  test('a line has time, topic and what has a value, and nothing that moves a cursor', () => {
    const data = { event: 'verdict', index: 0, none: null, verdict: { status: 'passed', deep: { x: 1 } }, list: [1] };
    expect(liveLine(news('run:a', 1, data))).toBe('00:00:00  run:a         verdict index=0 verdict.status=passed');
    expect(liveLine({ ...news('runs', 1, { event: '\u001b[2J', a: '\n' }), ts: 1e300 })).not.toMatch(/[\u001b\n]/);
  });

  test('any news makes one line', () => {
    fc.assert(
      fc.property(fc.string(), fc.double(), fc.dictionary(fc.string(), fc.jsonValue()), (topic, ts, data) => {
        expect(liveLine({ topic, seq: 1, ts, data })).not.toContain('\n');
      }),
    );
  });

  test('numbers of each topic by itself', () => {
    const count = new LiveCount();
    const seen = [news('a', 1), news('b', 3), news('a', 2), news('a', 9), news('a', 9)];
    expect(seen.map((one) => count.missedBefore(one))).toEqual([0, 2, 0, 6, 0]);
  });

  test('where to look', () => {
    const rows = ['run:x1', 'runs', 'leaderboard', 'verifiers', 'stats', 'certificates'].map(lookText);
    expect(rows[0]).toBe('labctl arena show x1');
    expect(rows.slice(1, 4)).toEqual(['labctl arena runs', 'labctl arena leaderboard', 'labctl arena verifiers']);
    expect(rows.slice(4)).toEqual(['GET /api/arena/stats', 'GET /api/arena/certificates']);
  });
});
