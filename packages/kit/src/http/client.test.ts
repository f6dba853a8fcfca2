import { errorOf } from '@labmesh/wire/testing/errors';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'bun:test';
import type { Socket } from 'bun';
import { type ClientFailure, HttpPool } from './client.ts';
import { fetchWhole } from './fetch-whole.ts';
import type { ResponseHead } from './head.ts';
import { wait } from './testing/talk.ts';

type Peer = { port: number; accepted: number; closed: number; requests: string[]; stop: () => void };
const peers: Peer[] = [];
const pools: HttpPool[] = [];

/** A server that answers each request head with `answer(n)`, n counting from 0, bytes as they are. */
function startPeer(answer: (n: number, socket: Socket) => void): Peer {
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open: () => void peer.accepted++,
      data: (socket, bytes) => {
        peer.requests.push(bytes.toString('latin1'));
        answer(peer.requests.length - 1, socket);
      },
      close: () => void peer.closed++,
    },
  });
  const peer: Peer = { port: listener.port, accepted: 0, closed: 0, requests: [], stop: () => listener.stop(true) };
  peers.push(peer);
  return peer;
}

function newPool(limits = {}): HttpPool {
  const pool = new HttpPool(limits);
  pools.push(pool);
  return pool;
}
const get = (pool: HttpPool, port: number, path = '/') =>
  fetchWhole(pool, { host: '127.0.0.1', port, tls: false }, { path, timeoutMs: 500, bytesMax: 10_000 });
const text = (answer: { body: Uint8Array }) => Buffer.from(answer.body).toString();

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool[Symbol.asyncDispose]();
  for (const peer of peers.splice(0)) peer.stop();
});

test('reads length, chunks, end of connection and bodies that may not be there', async () => {
  const answers = [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  ];
  const peer = startPeer((n, socket) => {
    socket.write(answers[n] ?? '');
    if (n === 3) socket.end();
  });
  const pool = newPool();
  expect(text(await get(pool, peer.port))).toBe('hello');
  expect(text(await get(pool, peer.port))).toBe('abcde');
  expect((await get(pool, peer.port)).status).toBe(204);
  expect(text(await get(pool, peer.port))).toBe('until the end');
  expect(peer.accepted).toBe(1);
});

test('asks for no encoding, names the host and adds nothing else', async () => {
  const peer = startPeer((_, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  await get(newPool(), peer.port, '/x?y=1');
  expect(peer.requests[0]).toBe(
    `GET /x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:${peer.port}\r\naccept: */*\r\naccept-encoding: identity\r\n\r\n`,
  );
});

test('a kept connection that the peer closed is tried once more on a new one', async () => {
  const peer = startPeer((n, socket) => {
    if (n === 1) socket.terminate();
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  const pool = newPool();
  expect(text(await get(pool, peer.port))).toBe('ok');
  expect(text(await get(pool, peer.port))).toBe('ok');
  expect(peer.accepted).toBe(2);
  expect(peer.requests).toHaveLength(3);
});

test('a fresh connection that breaks is a reset, not retried here', async () => {
  const peer = startPeer((_, socket) => socket.terminate());
  expect(await errorOf(get(newPool(), peer.port))).toMatchObject({ code: 'ECONNRESET' });
  await wait(() => peer.closed === 1);
  expect(peer.requests).toHaveLength(1);
});

for (const [name, answer] of [
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ['a bad chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ['an endless head', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(70_000)}`],
] as const) {
  test(`${name} is refused as invalid`, async () => {
    const peer = startPeer((_, socket) => void socket.write(answer));
    expect(await errorOf(get(newPool(), peer.port))).toMatchObject({ code: 'INVALID' });
    await wait(() => peer.closed === 1);
  });
}

test('limits: time and size', async () => {
  const silent = startPeer(() => {});
  expect(await errorOf(get(newPool(), silent.port))).toMatchObject({ code: 'ETIMEDOUT' });
  const large = startPeer(
    (_, socket) => void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n${'a'.repeat(20_000)}`),
  );
  expect(await errorOf(get(newPool(), large.port))).toMatchObject({ code: 'BODY_TOO_LARGE' });
  await wait(() => silent.closed + large.closed === 2);
});

test('bytes after an answer end the connection: nothing can be slipped into the next one', async () => {
  const peer = startPeer(
    (_, socket) =>
      void socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
      ),
  );
  const pool = newPool();
  expect(text(await get(pool, peer.port))).toBe('ok');
  expect(text(await get(pool, peer.port))).toBe('ok');
  expect(peer.accepted).toBe(2);
});

test('abort closes the socket at once, before and after the first byte', async () => {
  const peer = startPeer(
    (n, socket) => void (n === 1 && socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')),
  );
  const pool = newPool();
  for (const round of [0, 1]) {
    const heard: string[] = [];
    const call = pool.send(
      { host: '127.0.0.1', port: peer.port, tls: false },
      { method: 'GET', head: 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', body: [] },
      {
        onHead: (_head: ResponseHead) => heard.push('head'),
        onData: () => heard.push('data'),
        onEnd: () => heard.push('end'),
        onFailure: (_failure: ClientFailure) => heard.push('failure'),
      },
    );
    await wait(() => peer.requests.length === round + 1 && (round === 0 || heard.includes('data')));
    const at = performance.now();
    call.abort();
    await wait(() => peer.closed === round + 1);
    expect(performance.now() - at).toBeLessThan(50);
    expect(heard).toEqual(round === 0 ? [] : ['head', 'data']);
  }
  expect(pool.connections).toBe(0);
});

test('a paused socket is read again by the request after', async () => {
  const peer = startPeer((_, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  const pool = newPool();
  const origin = { host: '127.0.0.1', port: peer.port, tls: false };
  const ended = Promise.withResolvers<void>();
  const call = pool.send(
    origin,
    { method: 'GET', head: 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', body: [] },
    {
      onHead: () => {},
      onData: () => call.pause(),
      onEnd: () => ended.resolve(),
      onFailure: () => ended.reject(new Error('failed')),
    },
  );
  await ended.promise;
  expect(text(await get(pool, peer.port))).toBe('ok');
  expect(peer.accepted).toBe(1);
});

test('an answer framed by the end of its connection that is reset is a failure', async () => {
  const peer = startPeer((_, socket) => {
    socket.write('HTTP/1.0 200 OK\r\n\r\n{"half":');
    setTimeout(() => socket.terminate(), 30);
  });
  expect(await errorOf(get(newPool(), peer.port))).toMatchObject({ code: 'ECONNRESET' });
});

test('a Unix socket is dialled by its path; one that is not there is a failure to connect', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-unix-'));
  const socketPath = join(folder, 'api.sock');
  const server = Bun.serve({ unix: socketPath, fetch: (request) => new Response(request.headers.get('host')) });
  const pool = newPool();
  const origin = { host: 'arena', port: 80, tls: false, socketPath };
  const request = { path: '/', timeoutMs: 2_000, bytesMax: 100 };
  expect(text(await fetchWhole(pool, origin, request))).toBe('arena');
  expect(await errorOf(fetchWhole(pool, { ...origin, socketPath: `${socketPath}2` }, request))).toMatchObject({
    code: 'ECONNREFUSED',
  });
  await server.stop(true);
  rmSync(folder, { recursive: true, force: true });
});
