/** AP-2, AP-4 on the wire: whatever is sent, an answer has a code and an id, and no stranger holds a connection open. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Socket } from 'node:net';
import { doorOf, type Door, openSocket } from './harness/raw-https.ts';
import { type RunningLabd, startLabd } from './harness/start-labd.ts';

const bootMs = 90_000;
const endMs = 40_000;
let labd: RunningLabd;
beforeAll(async () => {
  labd = await startLabd();
}, bootMs);
afterAll(() => labd[Symbol.asyncDispose]());

type Reply = { status: number; id: string | undefined; code: string | undefined; bodyId: string | undefined };

function replyOf(text: string): Reply | undefined {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  if (Number.isNaN(status)) return undefined;
  const { error } = (body.startsWith('{') ? JSON.parse(body) : {}) as { error?: { code: string; requestId: string } };
  return { status, id: /^x-request-id: (\S+)$/im.exec(head)?.[1], code: error?.code, bodyId: error?.requestId };
}

/** Sends a text and gives what came until the connection ended; undefined: it ended without a word. */
async function told(door: Door, text: string, socket?: Socket): Promise<Reply | undefined> {
  const one = socket ?? (await openSocket(door));
  let got = '';
  const ended = new Promise<void>((resolve) => one.once('close', () => resolve()));
  one.on('data', (bytes: Buffer) => (got += bytes.toString())).on('error', () => undefined);
  one.write(text);
  await Promise.race([ended, Bun.sleep(endMs)]);
  one.destroy();
  return replyOf(got);
}

const doors = (): [string, Door][] => [
  ['api', doorOf(labd.api)],
  ['agents', doorOf(labd.agents)],
  ['nodes', doorOf(labd.nodes)],
  ['admin socket', { socket: labd.socket }],
];
const get = (more: string, target = '/healthz', method = 'GET') =>
  `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${more}\r\n`;
const filler = (bytes: number) => `X-Filler: ${'y'.repeat(bytes)}\r\n`;

describe('a head that cannot be read is answered with its code, on every door', () => {
  test.each([
    ['16 KiB of headers and more', get(filler(20_000)), 413, 'PAYLOAD_TOO_LARGE'],
    ['two million bytes of them', get(filler(2_000_000)), 413, 'PAYLOAD_TOO_LARGE'],
    ['headers that never end', `GET / HTTP/1.1\r\n${filler(1_000).repeat(40)}`, 413, 'PAYLOAD_TOO_LARGE'],
    ['an address larger than that', get('', `/healthz?${'y'.repeat(20_000)}`), 413, 'PAYLOAD_TOO_LARGE'],
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'VALIDATION_FAILED'],
    ['no protocol', 'hello\r\n\r\n', 400, 'VALIDATION_FAILED'],
    ['a header that is none', get('X y: 1\r\n'), 400, 'VALIDATION_FAILED'],
    ['two lengths', get('Content-Length: 3\r\nContent-Length: 4\r\n', '/', 'POST'), 400, 'VALIDATION_FAILED'],
  ])(
    '%s',
    async (_what, text, status, code) => {
      for (const [name, door] of doors()) {
        const reply = await told(door, text);
        expect([name, reply?.status, reply?.code]).toEqual([name, status, code]);
        expect(reply?.id).toMatch(/^req_[0-9a-f]{32}$/);
        expect(reply?.id).toBe(reply?.bodyId);
      }
    },
    bootMs,
  );

  test(
    'one that comes slowly hears so after 10 s; who said nothing, or has its answer, only hears the end',
    async () => {
      const api = doorOf(labd.api);
      const slow = told(api, 'GET /healthz HTTP/1.1\r\nHost: loc');
      const silent = told(api, '');
      const served = await openSocket(api);
      const idle = told(api, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n', served);
      expect(await slow).toMatchObject({ status: 400, code: 'VALIDATION_FAILED', id: expect.stringMatching(/^req_/) });
      expect(await silent).toBeUndefined();
      expect(await idle).toMatchObject({ status: 200, code: undefined });
    },
    bootMs,
  );

  test(
    'behind a request that is being answered nothing is said: it would stand in the middle of that',
    async () => {
      const socket = await openSocket({ socket: labd.socket });
      let got = '';
      socket.on('data', (bytes: Buffer) => (got += bytes.toString())).on('error', () => undefined);
      socket.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
      for (let n = 0; n < 200 && !got.includes('\r\n\r\n'); n++) await Bun.sleep(50);
      expect(got).toStartWith('HTTP/1.1 200');
      const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.write('nonsense\r\n\r\n');
      await Promise.race([ended, Bun.sleep(endMs)]);
      expect([socket.destroyed, got.includes('Refused')]).toEqual([true, false]);
    },
    bootMs,
  );
});

describe('AP-2 every answer has an id', () => {
  test.each([
    ['no host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 403],
    ['a host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b/c?\r\nConnection: close\r\n\r\n', 400],
    ['no path', get('', '*', 'OPTIONS'), 400],
    ['a method of nothing', get('', '/healthz', 'TRACE'), 405],
    ['an expectation', get('Expect: wonders\r\n'), 200],
    ['no such route', get('', '/nowhere'), 404],
    ['a socket of nothing', get('Upgrade: websocket\r\n', '/nowhere').replace('close', 'Upgrade'), 404],
  ])('%s', async (_what, text, status) => {
    const reply = await told(doorOf(labd.api), text);
    expect(reply?.status).toBe(status);
    expect(reply?.id).toMatch(/^req_[0-9a-f]{32}$/);
    if (reply?.code !== undefined) expect(reply.bodyId).toBe(reply.id);
  });

  test(
    'also while the database is away at the start, with the caller’s own where there is one',
    async () => {
      await using early = await startLabd({ databaseUrl: 'postgresql://lab@127.0.0.1:1/lab', early: true });
      const api = doorOf(early.api);
      const paths = { '/healthz': 200, '/health/live': 200, '/health/ready': 503, '/api/servers': 503, '/ca/pin': 503 };
      for (const [path, status] of Object.entries(paths)) {
        const [own, given] = [await told(api, get('', path)), await told(api, get('X-Request-Id: mine-7\r\n', path))];
        expect([path, own?.status, given?.status, given?.id]).toEqual([path, status, status, 'mine-7']);
        expect(own?.id).toMatch(/^req_/);
        if (own?.code !== undefined) expect([own.code, own.bodyId]).toEqual(['STORE_UNAVAILABLE', own.id]);
      }
      const upgrade = get('Upgrade: websocket\r\nX-Request-Id: mine-8\r\n', '/ws/client').replace('close', 'Upgrade');
      const refused = { status: 503, code: 'STORE_UNAVAILABLE', id: 'mine-8', bodyId: 'mine-8' };
      expect(await told(api, upgrade)).toEqual(refused);
      expect(await told(doorOf(early.agents), upgrade)).toEqual(refused);
    },
    bootMs,
  );
});
