/** GET /ws: news of the arena for who holds a key, and for nobody else (verification AR23). */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { liveLimits, type LiveLine } from '@labmesh/wire/verification/arena-live';
import fc from 'fast-check';
import { LiveListener } from './harness/live-listener.ts';
import { bearer, until, VerificationGround } from './harness/verification-ground.ts';

const line = (topic: string, data: LiveLine['data'] = {}): LiveLine => ({ topic, ts: 1, data });

/** What the arena tells each tenant that is listened to. */
class Feeds {
  readonly open = new Map<string, ReadableStreamDefaultController<Uint8Array>>();
  answer = ({ path, headers }: { path: string; headers: Record<string, string> }): Response => {
    const tenant = headers['x-labmesh-tenant'] ?? '';
    if (path !== '/v1/live') return new Response(null, { status: 404 });
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.open.set(tenant, controller);
        controller.enqueue(Buffer.from('\n'));
      },
      cancel: () => void this.open.delete(tenant),
    });
    return new Response(stream);
  };
  tell(tenant: string, ...lines: unknown[]): void {
    const text = lines.map((one) => (typeof one === 'string' ? one : `${JSON.stringify(one)}\n`)).join('');
    this.open.get(tenant)?.enqueue(Buffer.from(text));
  }
}

for (const engine of ['raw', 'serve'] as const) {
  describe(`news for key holders (${engine})`, () => {
    let ground: VerificationGround;
    let feeds: Feeds;
    const open: LiveListener[] = [];
    beforeAll(async () => {
      ground = await VerificationGround.start('', { engine });
    });
    afterEach(async () => {
      for (const one of open.splice(0)) one[Symbol.dispose]();
      await until(() => Promise.resolve(feeds.open.size === 0), 30_000);
    });
    afterAll(() => ground[Symbol.asyncDispose]());

    async function listen(key = ground.mesh.key, ...topics: string[]): Promise<LiveListener> {
      if (open.length === 0) feeds = new Feeds();
      ground.arena.answer = feeds.answer;
      const listener = new LiveListener(ground.base, bearer(key).headers);
      open.push(listener);
      await listener.settled();
      if (topics.length > 0) await listener.subscribe(...topics);
      return listener;
    }

    test('what was asked for, counted by topic, and nothing else; one feed for all who listen', async () => {
      const one = await listen(undefined, 'runs', 'run:r1');
      const two = await listen(undefined, 'stats');
      expect(one.words).toEqual([{ op: 'subscribed', topics: ['runs', 'run:r1'] }]);
      const lines = [line('runs', { a: 1 }), line('run:r1'), line('run:r2'), line('runs', { a: 2 }), line('stats')];
      feeds.tell('default', ...lines);
      await two.until(() => two.news.length === 1);
      await one.until(() => one.news.length === 3);
      expect(one.news.map(({ topic, seq, data }) => [topic, seq, data])).toEqual([
        ['runs', 1, { a: 1 }],
        ['run:r1', 1, {}],
        ['runs', 2, { a: 2 }],
      ]);
      one.say({ op: 'unsubscribe', topics: ['runs'] });
      await one.until(() => one.words.length === 2);
      feeds.tell('default', line('runs'), line('run:r1'));
      await one.until(() => one.news.length === 4);
      expect(one.news.at(-1)).toMatchObject({ topic: 'run:r1', seq: 2 });
      expect(ground.arena.calls.filter(({ path }) => path === '/v1/live')).toHaveLength(1);
    });

    test('a tenant hears its own alone', async () => {
      const { key } = await ground.newKey({ tenant: 'acme' });
      const [ours, theirs] = [await listen(undefined, 'runs'), await listen(key, 'runs', 'run:r1')];
      feeds.tell('default', line('runs', { whose: 'default' }), line('run:r1'));
      feeds.tell('acme', line('runs', { whose: 'acme' }));
      await ours.until(() => ours.news.length === 1);
      await theirs.until(() => theirs.news.length === 1);
      expect([ours.news[0]?.data, theirs.news[0]?.data]).toEqual([{ whose: 'default' }, { whose: 'acme' }]);
      const asked = ground.arena.calls.map(({ headers }) => headers['x-labmesh-tenant']);
      expect(asked).toEqual(expect.arrayContaining(['default', 'acme']));
    });

    test('a key that is revoked hears nothing more', async () => {
      const { id, key } = await ground.newKey({ tenant: 'acme' });
      const listener = await listen(key, 'runs');
      await ground.admin('DELETE', `/keys/${id}`);
      feeds.tell('acme', line('runs', { secret: true }));
      await listener.until(() => listener.closed !== undefined);
      expect([listener.closed, listener.news]).toEqual([[4403, 'the key may not listen any more'], []]);
    });

    test.each([
      ['ends', (all: Feeds) => all.open.get('default')?.close()],
      ['says what is no news', (all: Feeds) => all.tell('default', 'hello\n')],
      ['never ends a line', (all: Feeds) => all.tell('default', 'x'.repeat(20_000))],
    ])('an arena that %s: all are sent away, and may come back', async (_, end) => {
      const listener = await listen(undefined, 'runs');
      end(feeds);
      await listener.until(() => listener.closed !== undefined);
      expect(listener.closed).toEqual([1013, 'the arena is away']);
      open.splice(0);
      const again = await listen(undefined, 'runs');
      feeds.tell('default', line('runs'));
      await again.until(() => again.news.length === 1);
      expect(again.news[0]?.seq).toBe(1);
    });

    test('whatever a client says is answered in words, or ends it; others hear on', async () => {
      const other = await listen(undefined, 'runs');
      const any = fc.oneof(
        fc.string(),
        fc.json(),
        fc.record({
          op: fc.constantFrom('subscribe', 'unsubscribe', 'x'),
          topics: fc.array(fc.constantFrom('runs', 'run:a', 'run:../x', 'stats', '__proto__', '', 'x'.repeat(300))),
        }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(any, { maxLength: 20 }), async (messages) => {
          const listener = await listen();
          for (const message of messages) listener.say(typeof message === 'string' ? message : JSON.stringify(message));
          await listener.until(() => listener.words.length === messages.length || listener.closed !== undefined);
          expect(listener.closed).toBeUndefined();
          listener[Symbol.dispose]();
        }),
        { numRuns: 15 },
      );
      feeds.tell('default', line('runs'));
      await other.until(() => other.news.length === 1);
    });

    test('bounds: topics, size, how much is said', async () => {
      const listener = await listen();
      const topics = Array.from({ length: liveLimits.topicsMost }, (_, at) => `run:${at}`);
      await listener.subscribe(...topics);
      await listener.subscribe('runs');
      expect(listener.words.at(-1)).toMatchObject({ op: 'error', code: 'too_many_topics' });
      await listener.subscribe(...topics);
      expect(listener.words.at(-1)).toMatchObject({ op: 'subscribed', topics });
      listener.say('x'.repeat(liveLimits.messageBytesMost + 1));
      await listener.until(() => listener.closed !== undefined);
      expect(listener.closed?.[0]).toBe(1009);
      const hasty = await listen();
      for (let at = 0; at <= liveLimits.askedMost; at++) hasty.say('{}');
      await hasty.until(() => hasty.closed !== undefined);
      expect(hasty.closed).toEqual([4429, 'too many messages']);
    });

    test('so many with one key; with another one may still come', async () => {
      for (let at = 0; at < liveLimits.clientsPerKeyMost; at++) expect((await listen()).closed).toBeUndefined();
      expect((await listen()).closed).toBeDefined();
      const { key } = await ground.newKey({});
      expect((await listen(key)).closed).toBeUndefined();
    });

    test('so many of one tenant, whatever keys it has; others may still come', async () => {
      const share = liveLimits.clientsPerTenantMost;
      let key = '';
      for (let at = 0; at < share; at++) {
        if (at % liveLimits.clientsPerKeyMost === 0) ({ key } = await ground.newKey({ tenant: 'acme' }));
        expect((await listen(key)).closed).toBeUndefined();
      }
      const { key: further } = await ground.newKey({ tenant: 'acme' });
      expect((await listen(further)).closed).toBeDefined();
      expect((await listen()).closed).toBeUndefined();
      expect(share).toBeLessThan(liveLimits.clientsMost);
    });

    test('pings without end are too much, too', async () => {
      const listener = await listen();
      listener.ping(liveLimits.askedMost + 1);
      await listener.until(() => listener.closed !== undefined);
      expect(listener.closed).toEqual([4429, 'too many messages']);
    });
  });
}

describe('who is not let in', () => {
  test('no key, no scope, a page of another origin, no WebSocket, no arena', async () => {
    await using ground = await VerificationGround.start();
    const { key: chat } = await ground.newKey({ scopes: ['chat'] });
    const { key } = ground.mesh;
    const wanted = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-version': '13' };
    const ask = async (headers: Record<string, string>, init: RequestInit = {}) =>
      (await ground.get('/ws', { ...init, headers: { ...wanted, 'sec-websocket-key': 'x', ...headers } })).status;
    expect(await ask({})).toBe(401);
    expect(await ask(bearer('lmk_nothing').headers)).toBe(401);
    expect(await ask(bearer(chat).headers)).toBe(403);
    expect(await ask(bearer(ground.mesh.gateway.internalToken).headers)).toBe(403);
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1']) {
      expect([origin, await ask({ ...bearer(key).headers, origin })]).toEqual([origin, 403]);
    }
    expect(await ask({ ...bearer(key).headers, origin: ground.base })).toBe(400);
    expect(await ask(bearer(key).headers)).toBe(400);
    expect(await ask(bearer(key).headers, { method: 'POST' })).toBe(405);
    expect(ground.arena.calls).toEqual([]);
    await using without = await VerificationGround.start('', { arena: 'none' });
    expect((await without.get('/ws')).status).toBe(503);
  });

  test('an arena that refuses, or is gone: sent away with the word to come again', async () => {
    await using ground = await VerificationGround.start();
    ground.arena.answer = () => new Response('who are you?', { status: 401 });
    for (const isGone of [false, true]) {
      if (isGone) await ground.arena[Symbol.asyncDispose]();
      using listener = new LiveListener(ground.base, bearer(ground.mesh.key).headers);
      await listener.until(() => listener.closed !== undefined);
      expect(listener.closed).toEqual([1013, 'the arena is away']);
    }
  });
});

test.each(['raw', 'serve'] as const)('a drain sends all away at once, and takes nobody in (%s)', async (engine) => {
  await using ground = await VerificationGround.start('', { engine });
  const feeds = new Feeds();
  ground.arena.answer = feeds.answer;
  using listener = new LiveListener(ground.base, bearer(ground.mesh.key).headers);
  await listener.settled();
  await listener.subscribe('runs');
  const cut = ground.mesh.gateway.drain(20_000);
  await listener.until(() => listener.closed !== undefined);
  expect(listener.closed).toEqual([1001, 'the gateway is shutting down']);
  expect(await cut).toBe(0);
});
