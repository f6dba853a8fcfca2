import { ApiError } from '@labmesh/wire/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Exchange, HttpServer } from './exchange.ts';
import { startRawServer } from './raw-server.ts';
import { startServeServer } from './serve-server.ts';
import { talk, wait } from './testing/talk.ts';

const limits = {
  bodyBytesMax: 1_000_000,
  headerBytesMax: 8_192,
  headerTimeoutMs: 400,
  bodyIdleMs: 400,
  keepAliveMs: 60_000,
};
const faults: unknown[] = [];
const aborts: string[] = [];

async function answer(exchange: Exchange): Promise<void> {
  exchange.onAbort(() => aborts.push(exchange.path));
  try {
    if (exchange.path === '/throw') throw new Error('a fault of the handler');
    if (exchange.path === '/never') return;
    const body = await exchange.body();
    if (exchange.path === '/stream') return await stream(exchange);
    if (exchange.path === '/flood') return flood(exchange);
    const seen = {
      method: exchange.method,
      query: exchange.query,
      bytes: body.length,
      text: Buffer.from(body.subarray(0, 100)).toString(),
      twice: exchange.header('x-twice'),
    };
    exchange.reply(
      200,
      [
        ['content-type', 'application/json'],
        ['x-split', 'a\r\nb: c'],
      ],
      JSON.stringify(seen),
    );
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!exchange.started)
      exchange.reply(
        error.status,
        [['content-type', 'application/json']],
        JSON.stringify({ error: { code: error.code } }),
      );
  }
}

async function stream(exchange: Exchange): Promise<void> {
  exchange.start(200, [['content-type', 'text/event-stream']]);
  for (let i = 0; i < 5; i++) {
    exchange.write(Buffer.from(`data: ${i}\n\n`));
    await Bun.sleep(5);
  }
  exchange.end();
}

const floodBlocks = 800;
let floodLeft = 0;
function flood(exchange: Exchange): void {
  const block = Buffer.alloc(64 * 1024, 'x');
  floodLeft = floodBlocks;
  exchange.start(200, []);
  const go = () => {
    while (floodLeft > 0) {
      floodLeft--;
      if (!exchange.write(block)) return;
    }
    exchange.end();
  };
  exchange.onDrain(go);
  go();
}

for (const [name, start] of [
  ['raw', startRawServer],
  ['serve', startServeServer],
] as const) {
  describe(`HTTP server: ${name}`, () => {
    let server: HttpServer;
    let url: string;
    beforeAll(() => {
      server = start({
        hostname: '127.0.0.1',
        port: 0,
        handler: answer,
        limits,
        onHandlerError: (error) => faults.push(error),
      });
      url = `http://127.0.0.1:${server.port}`;
    });
    afterAll(async () => await server[Symbol.asyncDispose]());

    test('answers with method, query, body and joined headers', async () => {
      const response = await fetch(`${url}/echo?a=1&b=2`, {
        method: 'POST',
        body: 'hello',
        headers: { 'x-twice': 'a, b' },
      });
      expect(await response.json()).toEqual({
        method: 'POST',
        query: 'a=1&b=2',
        bytes: 5,
        text: 'hello',
        twice: 'a, b',
      });
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(response.headers.get('b')).toBeNull();
    });

    test('streams as chunks, in order, and keeps the connection', async () => {
      for (let i = 0; i < 3; i++) {
        const text = await (await fetch(`${url}/stream`)).text();
        expect(text).toBe('data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n');
      }
    });

    test('takes a body at the limit and refuses one byte more, said and sent chunked', async () => {
      const ok = await fetch(`${url}/echo`, { method: 'POST', body: Buffer.alloc(limits.bodyBytesMax) });
      expect(((await ok.json()) as { bytes: number }).bytes).toBe(limits.bodyBytesMax);
      const tooLarge = await fetch(`${url}/echo`, { method: 'POST', body: Buffer.alloc(limits.bodyBytesMax + 1) });
      expect(tooLarge.status).toBe(413);
      const peer = await talk(server.port);
      peer.send('POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
      for (let i = 0; i < 110; i++) peer.send(`2710\r\n${'y'.repeat(10_000)}\r\n`);
      await peer.until('HTTP/1.1 413');
      peer.end();
    });

    test('reads a chunked body in odd pieces', async () => {
      const peer = await talk(server.port);
      peer.send('POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab');
      for (const piece of ['c', '\r\n', '1', '0\r', '\n0123456789abcdef\r\n', '0\r\n', '\r\n']) {
        await Bun.sleep(3);
        peer.send(piece);
      }
      expect(await peer.until('"bytes":19')).toContain('abc0123456789abcdef');
      peer.end();
    });

    test('tells the handler at once when the client leaves, before and during an answer', async () => {
      for (const path of ['/never', '/flood']) {
        aborts.length = 0;
        const peer = await talk(server.port);
        if (path === '/flood') peer.pause();
        peer.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        await Bun.sleep(50);
        const left = performance.now();
        peer.end();
        await wait(() => aborts.includes(path));
        expect(performance.now() - left).toBeLessThan(100);
      }
      await wait(() => server.inFlight === 0);
    });

    test('a slow client stops the handler instead of filling memory, and gets every byte in the end', async () => {
      const peer = await talk(server.port);
      peer.pause();
      peer.send('GET /flood HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      await Bun.sleep(200);
      const held = floodLeft;
      // The kernel's own buffers on both sides take some megabytes.
      expect((floodBlocks - held) * 64).toBeLessThan(32 * 1024);
      await Bun.sleep(100);
      expect(floodLeft).toBe(held);
      peer.resume();
      await peer.closed;
      expect(peer.received().length).toBeGreaterThan(floodBlocks * 64 * 1024);
    });

    test('a fault of the handler is 500 in the error form and no stack', async () => {
      const response = await fetch(`${url}/throw`);
      expect(response.status).toBe(500);
      expect(await response.text()).toContain('"code":"internal_error"');
      expect(faults.length).toBeGreaterThan(0);
    });
  });
}

describe('HTTP server: raw, strictness (RFC 9112, gateway G-4)', () => {
  let server: HttpServer;
  beforeAll(
    () =>
      void (server = startRawServer({
        hostname: '127.0.0.1',
        port: 0,
        handler: answer,
        limits,
        onHandlerError: () => {},
      })),
  );
  afterAll(async () => await server[Symbol.asyncDispose]());
  const once = async (bytes: string, wanted = '\r\n\r\n') => {
    const peer = await talk(server.port);
    peer.send(Buffer.from(bytes, 'latin1'));
    const text = await peer.until(wanted);
    peer.end();
    return text;
  };

  const refused: Record<string, string> = {
    'length and coding':
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'two lengths': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
    'a length list': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc',
    'a signed length': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc',
    'another coding': 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'obs-fold': 'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n',
    'space before colon': 'GET / HTTP/1.1\r\nHost : x\r\n\r\n',
    'bare LF': 'GET / HTTP/1.1\nHost: x\r\n\r\n',
    'bare CR': 'GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n',
    'no host': 'GET / HTTP/1.1\r\nA: b\r\n\r\n',
    'two hosts': 'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n',
    'a NUL': 'GET / HTTP/1.1\r\nHost: x\r\nA: \u0000\r\n\r\n',
    'a no-break space before a coding':
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \u00a0chunked\r\n\r\n0\r\n\r\n',
    'HTTP/2': 'GET / HTTP/2.0\r\nHost: x\r\n\r\n',
    'no target': 'GET HTTP/1.1\r\nHost: x\r\n\r\n',
    'chunk size of nothing': 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n',
    'chunk size with sign': 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n',
    'chunk longer than said': 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n',
    'chunk size too long':
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0000000003\r\nabc\r\n0\r\n\r\n',
  };
  for (const [name, bytes] of Object.entries(refused)) {
    test(`refuses ${name}`, async () => {
      const peer = await talk(server.port);
      peer.send(Buffer.from(bytes, 'latin1'));
      expect(await peer.until('\r\n\r\n')).toStartWith('HTTP/1.1 400 ');
      await peer.closed;
      expect(peer.received().match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    });
  }

  test('answers pipelined requests in order', async () => {
    const request = (i: number) => `POST /echo?n=${i} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab`;
    const text = await once(Array.from({ length: 16 }, (_, i) => request(i)).join(''), '"n=15"');
    expect([...text.matchAll(/"query":"n=(\d+)"/g)].map((match) => Number(match[1]))).toEqual(
      Array.from({ length: 16 }, (_, i) => i),
    );
  });

  test('HEAD has no body, HTTP/1.0 closes, absolute-form and 100-continue work', async () => {
    const head = await once('HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(head.split('\r\n\r\n')[1]).toBe('');
    const old = await talk(server.port);
    old.send('GET /stream HTTP/1.0\r\n\r\n');
    await old.closed;
    expect(old.received()).toContain('connection: close');
    expect(old.received()).toEndWith('data: 4\n\n');
    expect(await once('GET http://h.example/echo?z=1 HTTP/1.1\r\nHost: x\r\n\r\n', 'z=1')).toContain('200 OK');
    const patient = await talk(server.port);
    patient.send('POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    await patient.until('100 Continue');
    patient.send('ok');
    expect(await patient.until('"bytes":2')).toContain('200 OK');
    patient.end();
  });

  test('a head above the limit is 431, a slow head 408, a slow body 408', async () => {
    expect(await once(`GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(limits.headerBytesMax)}\r\n\r\n`)).toContain(
      'HTTP/1.1 431',
    );
    expect(await once('GET / HTTP/1.1\r\nHos')).toContain('HTTP/1.1 408');
    expect(await once('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc')).toContain('HTTP/1.1 408');
  });

  test('bytes of any kind never crash it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(
          '',
          'GET / HTTP/1.1\r\n',
          'POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
        ),
        async (bytes, start) => {
          const peer = await talk(server.port);
          peer.send(Buffer.concat([Buffer.from(start), bytes, Buffer.from('\r\n\r\n')]));
          await Bun.sleep(1);
          peer.end();
        },
      ),
      { numRuns: 150 },
    );
    expect(await once('GET /echo HTTP/1.1\r\nHost: x\r\n\r\n', '"bytes":0')).toContain('200 OK');
    await wait(() => server.connections === 0 && server.inFlight === 0);
  });
});
