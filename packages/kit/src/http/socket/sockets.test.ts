/** WebSockets over both HTTP engines: one behaviour. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { ApiError } from '@labmesh/wire/errors';
import type { Exchange, HttpServer } from '../exchange.ts';
import { startRawServer } from '../raw-server.ts';
import { startServeServer } from '../serve-server.ts';
import { type Talk, talk, wait } from '../testing/talk.ts';
import type { MessageSocket } from './message-socket.ts';
import { clientFrame, serverFrames } from '../testing/client-frames.ts';

const patient = 20_000;
type Seen = { alive: number; texts: number; drained: number; closed: number; socket: MessageSocket | undefined };
let seen: Seen;

/** Says each text back; some words do more. */
function answer(exchange: Exchange): void {
  const own: Seen = { alive: 0, texts: 0, drained: 0, closed: 0, socket: undefined };
  seen = own;
  try {
    const socket = exchange.upgrade?.(
      {
        onMessage: (text) => {
          own.texts += 1;
          if (text === 'leave') return socket?.close(4001, 'as you wish');
          if (text === 'cut') return socket?.terminate();
          if (text === 'ping') return socket?.ping();
          if (text === 'flood') return flood(socket);
          socket?.send(`you said ${text.length > 40 ? text.length : text}`);
        },
        onAlive: () => {
          own.alive += 1;
          if (exchange.path === '/curt') socket?.close(4429, 'too much');
        },
        onDrain: () => void own.drained++,
        onClose: () => void own.closed++,
      },
      { messageBytesMost: 1_000 },
    );
    own.socket = socket;
    socket?.send('welcome');
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    exchange.reply(error.status, [], error.message);
  }
}

function flood(socket: MessageSocket | undefined): void {
  for (let i = 0; i < 50_000 && (socket?.waitingBytes ?? 0) < 500_000; i++) socket?.send('x'.repeat(10_000));
}

/** Whether this process still holds the server's end: its socket in the kernel has no inode once it was let go of. */
function isHeld(server: HttpServer, client: Talk): boolean {
  const hex = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((row) => row.trim().split(/\s+/));
  return rows.some(
    ([, own = '', other = '', ...more]) =>
      own.endsWith(hex(server.port)) && other.endsWith(hex(client.socket.localPort)) && more[6] !== '0',
  );
}

for (const engine of ['raw', 'serve'] as const) {
  describe(`a WebSocket (${engine})`, () => {
    let server: HttpServer;
    beforeAll(() => {
      const start = engine === 'raw' ? startRawServer : startServeServer;
      const limits = { clientStallMs: 3_000, headerTimeoutMs: 1_000 };
      server = start({ hostname: '127.0.0.1', port: 0, handler: answer, limits, onHandlerError: () => {} });
    });
    afterAll(() => server[Symbol.asyncDispose]());

    /** A client with all that it heard; `closed` = code and reason. */
    async function open() {
      const client = new WebSocket(`ws://127.0.0.1:${server.port}/`);
      const texts: string[] = [];
      let closed: [number, string] | undefined;
      client.addEventListener('message', ({ data }) => texts.push(String(data)));
      client.addEventListener('close', ({ code, reason }) => void (closed = [code, reason]));
      await wait(() => texts.length > 0 || closed !== undefined, patient);
      return { client, texts, closed: () => closed };
    }
    /** By hand: head and frames in one piece. */
    const byHand = (...frames: Parameters<typeof clientFrame>[0][]) => at('/', ...frames);
    async function at(path: string, ...frames: Parameters<typeof clientFrame>[0][]): Promise<Talk> {
      const socket = await talk(server.port);
      const head = `GET ${path} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: keep-alive, Upgrade\r\n`;
      socket.send(`${head}sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
      await socket.until('welcome', patient);
      for (const frame of frames) socket.send(clientFrame(frame));
      return socket;
    }
    const framesOf = (socket: Talk) => {
      const text = socket.received();
      return serverFrames(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1'));
    };

    test('texts both ways, in order; it counts as no request that is under way', async () => {
      const { client, texts } = await open();
      for (let i = 0; i < 100; i++) client.send(`${i}`);
      client.send('é'.repeat(300));
      await wait(() => texts.length === 102, patient);
      expect(texts.slice(0, 3)).toEqual(['welcome', 'you said 0', 'you said 1']);
      expect(texts.at(-1)).toBe('you said 300');
      expect(server.inFlight).toBe(0);
      client.close();
      await wait(() => seen.closed === 1, patient);
    });

    test('the answer is RFC 6455’s own example', async () => {
      const socket = await byHand();
      expect(socket.received()).toContain('HTTP/1.1 101 ');
      expect(socket.received().toLowerCase()).toContain('sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=');
      socket.end();
      await wait(() => seen.closed === 1, patient);
    });

    test('a goodbye of the server, of the client, and none at all: its owner is told once', async () => {
      const leaving = await open();
      leaving.client.send('leave');
      await wait(() => leaving.closed() !== undefined, patient);
      expect([leaving.closed(), seen.closed]).toEqual([[4001, 'as you wish'], 1]);
      const gone = await open();
      gone.client.close(4002, 'enough');
      await wait(() => gone.closed() !== undefined && seen.closed === 1, patient);
      expect(gone.closed()?.[0]).toBe(4002);
      const cut = await open();
      cut.client.send('cut');
      await wait(() => cut.closed() !== undefined && seen.closed === 1, patient);
      expect(cut.closed()?.[0]).toBe(1006);
      // Nothing happens to what is over.
      seen.socket?.send('late');
      seen.socket?.close(1000, '');
      seen.socket?.terminate();
      expect(seen.closed).toBe(1);
    });

    test('pings both ways say that somebody is there', async () => {
      const socket = await byHand({ opcode: 9, payload: 'are you there' });
      await socket.until('are you there', patient);
      expect(framesOf(socket).at(-1)).toEqual({ opcode: 10, text: 'are you there' });
      expect(seen.alive).toBeGreaterThan(0);
      const before = seen.alive;
      socket.send(clientFrame({ opcode: 1, payload: 'ping' }));
      await wait(() => framesOf(socket).at(-1)?.opcode === 9, patient);
      socket.send(clientFrame({ opcode: 10 }));
      await wait(() => seen.alive === before + 2, patient);
      socket.end();
    });

    test('an owner that has heard enough hears no more of it, not even what came already', async () => {
      const said = { opcode: 1, payload: 'hello' };
      for (const frames of [
        [said, said],
        [{ opcode: 9 }, said],
        [{ opcode: 10 }, said],
      ]) {
        const socket = await at('/curt', ...frames);
        await wait(() => framesOf(socket).at(-1)?.opcode === 8, patient);
        expect([framesOf(socket).at(-1)?.code, seen.alive, seen.texts, seen.closed]).toEqual([4429, 1, 0, 1]);
        socket.end();
      }
    });

    test.each([
      ['binary', { opcode: 2, payload: 'x' }, 1003],
      ['too much', { opcode: 1, payload: 'x'.repeat(1_001) }, 1009],
    ] as const)('%s: the code that says why', async (_, frame, code) => {
      const socket = await byHand(frame);
      await wait(() => framesOf(socket).at(-1)?.opcode === 8, patient);
      expect(framesOf(socket).at(-1)?.code).toBe(code);
      await wait(() => seen.closed === 1, patient);
      socket.end();
    });

    test('who asks for something else gets an answer, and may ask again', async () => {
      const ask = (headers: Record<string, string>, method = 'GET') =>
        fetch(`http://127.0.0.1:${server.port}/`, { method, headers }).then((one) => one.status);
      expect(await ask({})).toBe(400);
      expect(await ask({}, 'POST')).toBe(400);
      const socket = await talk(server.port);
      const head = 'GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n';
      socket.send(`${head}sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
      await socket.until('400', patient);
      socket.end();
    });

    test('a client that takes nothing: what waits is told, and it is let go of', async () => {
      const socket = await byHand();
      socket.pause();
      socket.send(clientFrame({ opcode: 1, payload: 'flood' }));
      const own = seen;
      await wait(() => (own.socket?.waitingBytes ?? 0) > 400_000 || own.closed > 0, patient);
      if (engine === 'raw') await wait(() => own.closed === 1, patient);
      socket.end();
      await wait(() => own.closed === 1, patient);
    });

    test.skipIf(process.platform !== 'linux')(
      'one that was closed and whose client takes nothing, or does not hang up, is let go of',
      async () => {
        const [full, mute] = [await byHand(), await byHand()];
        mute.pause();
        mute.send(clientFrame({ opcode: 1, payload: 'leave' }));
        await wait(() => seen.closed === 1, patient);
        const other = await byHand();
        other.pause();
        other.send(clientFrame({ opcode: 1, payload: 'flood' }));
        const own = seen;
        await wait(() => (own.socket?.waitingBytes ?? 0) > 400_000 || own.closed > 0, patient);
        own.socket?.close(1000, 'enough');
        expect([own.closed, isHeld(server, full)]).toEqual([1, true]);
        await wait(() => !isHeld(server, mute) && !isHeld(server, other), patient * 2);
        for (const socket of [full, mute, other]) socket.end();
      },
      patient * 4,
    );

    test('a client that is slow and takes it after all', async () => {
      const socket = await byHand();
      const own = seen;
      socket.send(clientFrame({ opcode: 1, payload: 'flood' }));
      await wait(() => own.drained > 0, patient);
      expect(own.socket?.waitingBytes).toBe(0);
      socket.end();
    });
  });
}

test('the raw engine: each fragment says that somebody is there, were it empty', async () => {
  await using server = startRawServer({ hostname: '127.0.0.1', port: 0, handler: answer, onHandlerError: () => {} });
  const socket = await talk(server.port);
  const head = `GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n`;
  socket.send(`${head}sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
  await socket.until('welcome', patient);
  const parts = [
    { opcode: 1, fin: false },
    { opcode: 0, fin: false },
    { opcode: 0, payload: 'all of it' },
  ];
  for (const part of parts) socket.send(clientFrame(part));
  await socket.until('you said all of it', patient);
  expect([seen.alive, seen.texts]).toEqual([3, 1]);
  socket.end();
});

test('the raw engine: frames right behind the request, one byte at a time, and after a kept-alive request', async () => {
  await using server = startRawServer({ hostname: '127.0.0.1', port: 0, handler: answer, onHandlerError: () => {} });
  const head = `GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n`;
  const whole = Buffer.concat([
    Buffer.from(`${head}sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`),
    clientFrame({ opcode: 1, payload: 'early' }),
  ]);
  const socket = await talk(server.port);
  socket.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await socket.until('Upgrade: websocket', patient);
  socket.send(whole);
  await socket.until('you said early', patient);
  const own = seen;
  for (const byte of clientFrame({ opcode: 1, payload: 'slow' })) socket.send(Buffer.from([byte]));
  await socket.until('you said slow', patient);
  expect([server.inFlight, server.connections]).toEqual([0, 1]);
  // With a body it is refused: its bytes would be read as frames.
  const other = await talk(server.port);
  other.send(`${head}content-length: 3\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nabc`);
  await other.until('400', patient);
  other.end();
  await server.drain(0);
  await socket.closed;
  expect(own.closed).toBe(1);
});
