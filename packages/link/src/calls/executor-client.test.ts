import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Socket } from 'bun';
import { ExecutorError, executorClient } from './executor-client.ts';

const root = mkdtempSync(join(tmpdir(), 'executor-client-'));
afterAll(() => rmSync(root, { recursive: true }));
const socketPath = join(root, 'x.sock');
const client = executorClient({ socketPath });
const codeOf = (error: unknown) => (error instanceof ExecutorError ? error.code : error);
const run = (signal?: AbortSignal) => client.run({ argv: ['true'] }, signal).catch(codeOf);

/** Somebody at the socket who does `onRequest` to whoever asks. */
const stand = (onRequest: (socket: Socket) => void) => {
  const sockets = new Set<Socket>();
  const server = Bun.listen({
    unix: socketPath,
    socket: {
      open: (socket) => void sockets.add(socket),
      close: (socket) => void sockets.delete(socket),
      data: (socket) => onRequest(socket),
    },
  });
  return { sockets, [Symbol.dispose]: () => server.stop(true) };
};
const answer =
  (body: string, status = '200 OK') =>
  (socket: Socket) =>
    void socket.end(`HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

test('nobody there', async () => {
  expect(await run()).toBe('EXECUTOR_AWAY');
  expect(await client.levels().catch(codeOf)).toBe('EXECUTOR_AWAY');
  expect(await client.pool().catch(codeOf)).toBe('EXECUTOR_AWAY');
});

test('one who ends while the job runs; the job is not sent again behind our back', async () => {
  let asked = 0;
  using _ = stand((socket) => {
    asked++;
    socket.terminate();
  });
  expect([await run(), asked]).toEqual(['EXECUTOR_AWAY', 1]);
});

test('one who ends in the middle of the answer', async () => {
  using _ = stand((socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id"'));
  expect(await run()).toBe('EXECUTOR_AWAY');
});

test('one who is no executor', async () => {
  for (const one of [answer('hello'), answer('{}'), answer('{"exit":"fine"}', '500 No'), answer('[]')]) {
    using _ = stand(one);
    expect(await run()).toBe('EXECUTOR_BAD_ANSWER');
    expect(await client.pool().catch(codeOf)).toBe('EXECUTOR_BAD_ANSWER');
  }
  using _ = stand((socket) => void socket.end('SSH-2.0-x\r\n\r\n'));
  expect(await run()).toBe('EXECUTOR_BAD_ANSWER');
});

test('any answer gives a result or a named error', async () => {
  let body = '';
  using _ = stand((socket) => answer(body)(socket));
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
      body = text;
      expect(await run()).toBe('EXECUTOR_BAD_ANSWER');
    }),
    { numRuns: 50 },
  );
});

test('the caller’s reason closes the connection, which is how the executor hears of it', async () => {
  using server = stand(() => {});
  const caller = new AbortController();
  const running = client.run({ argv: ['true'] }, caller.signal).catch((error: Error) => error.name);
  while (server.sockets.size === 0) await Bun.sleep(2);
  caller.abort();
  expect(await running).toBe('AbortError');
  while (server.sockets.size > 0) await Bun.sleep(2);
  expect(await client.run({ argv: ['true'] }, caller.signal).catch((error: Error) => error.name)).toBe('AbortError');
});
