import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Exchange, HttpServer } from './exchange.ts';
import { startRawServer } from './raw-server.ts';
import { talk, wait } from './testing/talk.ts';

const limits = { bodyBytesMax: 1_000_000, headerTimeoutMs: 400 };

async function answer(exchange: Exchange): Promise<void> {
  const body = await exchange.body().catch(() => undefined);
  if (body === undefined || exchange.started) return;
  if (exchange.path !== '/stream') return exchange.reply(200, [], `"bytes":${body.length}`);
  exchange.start(200, []);
  for (let i = 0; i < 5; i++) {
    exchange.write(Buffer.from(`data: ${i}\n\n`));
    await Bun.sleep(5);
  }
  exchange.end();
}

describe('HTTP server: raw, limits and the end', () => {
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

  test('a client that sends requests and takes no answers is stopped, then cut; one that takes them late gets all', async () => {
    let answered = 0;
    const body = 'x'.repeat(64 * 1024);
    const own = startRawServer({
      hostname: '127.0.0.1',
      port: 0,
      handler: (exchange) => {
        answered++;
        exchange.reply(200, [], body);
      },
      limits: { ...limits, clientStallMs: 600 },
      onHandlerError: () => {},
    });
    const request = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';
    const greedy = await talk(own.port);
    greedy.pause();
    for (let i = 0; i < 100; i++) greedy.send(request.repeat(100));
    await Bun.sleep(200);
    expect(answered).toBeLessThan(400);
    await wait(() => own.connections === 0, 3_000);
    greedy.end();
    const patient = await talk(own.port);
    patient.pause();
    answered = 0;
    patient.send(request.repeat(300));
    await Bun.sleep(100);
    patient.resume();
    await wait(() => answered === 300, 5_000);
    await wait(() => patient.received().length > 300 * body.length);
    patient.end();
    await own[Symbol.asyncDispose]();
  });

  test('a slow reader that sends its next request keeps the stall limit', async () => {
    const own = startRawServer({
      hostname: '127.0.0.1',
      port: 0,
      handler: (exchange) => exchange.reply(200, [], Buffer.alloc(12_000_000)),
      limits: { headerTimeoutMs: 200, clientStallMs: 5_000 },
      onHandlerError: () => {},
    });
    const slow = await talk(own.port);
    slow.pause();
    slow.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await Bun.sleep(50);
    slow.send('GET / HTTP/1.1\r\n');
    await Bun.sleep(500);
    slow.resume();
    await wait(() => slow.received().length > 12_000_000);
    slow.end();
    await own[Symbol.asyncDispose]();
  });

  test('a client that left with requests sent ahead is noticed; too many of them end the connection', async () => {
    let aborted = 0;
    const own = startRawServer({
      hostname: '127.0.0.1',
      port: 0,
      handler: (exchange) => exchange.onAbort(() => aborted++),
      onHandlerError: () => {},
    });
    for (const [bytes, leaves] of [
      [40_000, true],
      [400_000, false],
    ] as const) {
      const before = aborted;
      const peer = await talk(own.port);
      peer.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await Bun.sleep(20);
      for (let sent = 0; sent < bytes; sent += 10_000) peer.send('x'.repeat(10_000));
      await Bun.sleep(20);
      if (leaves) peer.socket.end();
      await wait(() => aborted === before + 1);
      peer.end();
    }
    await own[Symbol.asyncDispose]();
  });

  test('a body of tiny chunks takes the memory it is accounted with', async () => {
    const peer = await talk(server.port);
    peer.send('POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const before = process.memoryUsage.rss();
    const piece = `1;${'e'.repeat(240)}\r\ny\r\n`.repeat(200);
    for (let i = 0; i < 300; i++) {
      peer.send(piece);
      await Bun.sleep(0);
    }
    expect((process.memoryUsage.rss() - before) / 1024 / 1024).toBeLessThan(60);
    peer.send('0\r\n\r\n');
    peer.end();
  });

  test('the time for a head is not renewed on a kept connection', async () => {
    const peer = await talk(server.port);
    peer.send('GET /echo HTTP/1.1\r\nHost: x\r\n\r\n');
    await peer.until('200 OK');
    const started = performance.now();
    const drip = setInterval(() => peer.send('a'), 50);
    await peer.until('408');
    clearInterval(drip);
    expect(performance.now() - started).toBeLessThan(limits.headerTimeoutMs + 400);
    peer.end();
  });

  test('answers without a body leave nothing on the connection', async () => {
    const own = startRawServer({
      hostname: '127.0.0.1',
      port: 0,
      handler: (exchange) => {
        if (exchange.path === '/204') exchange.reply(204, [], '');
        else {
          exchange.start(304, []);
          exchange.end();
        }
      },
      onHandlerError: () => {},
    });
    const peer = await talk(own.port);
    peer.send('GET /204 HTTP/1.1\r\nHost: x\r\n\r\nGET /304 HTTP/1.1\r\nHost: x\r\n\r\n');
    await peer.until('304');
    await Bun.sleep(20);
    expect(peer.received()).toBe('HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n');
    peer.end();
    await own[Symbol.asyncDispose]();
  });

  test('a drain counts a finished answer that was not taken', async () => {
    const own = startRawServer({
      hostname: '127.0.0.1',
      port: 0,
      handler: (exchange) => exchange.reply(200, [], Buffer.alloc(30_000_000)),
      onHandlerError: () => {},
    });
    const slow = await talk(own.port);
    slow.pause();
    slow.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await Bun.sleep(100);
    expect(await own.drain(100)).toBe(1);
    const fair = startRawServer({
      hostname: '127.0.0.1',
      port: 0,
      handler: (exchange) => exchange.reply(200, [], Buffer.alloc(30_000_000)),
      onHandlerError: () => {},
    });
    const late = await talk(fair.port);
    late.pause();
    late.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await Bun.sleep(50);
    setTimeout(() => late.resume(), 100);
    expect(await fair.drain(5_000)).toBe(0);
    await late.closed;
    expect(late.received().length).toBeGreaterThan(30_000_000);
  });

  test('drain lets a running stream end and takes nothing new', async () => {
    const own = startRawServer({ hostname: '127.0.0.1', port: 0, handler: answer, limits, onHandlerError: () => {} });
    const running = await talk(own.port);
    running.send('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await running.until('data: 0');
    const cut = await own.drain(2_000);
    expect(cut).toBe(0);
    expect(running.received()).toContain('data: 4');
    expect(await thrower(talk(own.port))).toThrow();
  });
});
