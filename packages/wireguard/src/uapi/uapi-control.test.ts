import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TunnelError } from '../tunnel-device.ts';
import { UapiControl, uapiSocketPath } from './uapi-control.ts';

/** Answers each request with these pieces, then closes. */
async function peer(pieces: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-uapi-'));
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', async (data) => {
      asked.push(data.toString());
      for (const piece of pieces) {
        socket.write(piece);
        await Bun.sleep(2);
      }
      if (pieces.length === 0) socket.end();
    });
  });
  const listening = Promise.withResolvers<void>();
  server.listen(join(folder, 'labman0.sock'), listening.resolve);
  await listening.promise;
  return {
    asked,
    control: new UapiControl('labman0', folder),
    [Symbol.dispose]: () => {
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

const privateKey = new Uint8Array(32).fill(0x77);

async function refusal(work: Promise<unknown>): Promise<TunnelError> {
  const error: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(TunnelError);
  expect((error as Error).message).not.toContain('7777');
  return error as TunnelError;
}

test('an answer in pieces is one answer', async () => {
  using go = await peer(['listen_', 'port=7\nerrno=0\n', '\n']);
  expect(await go.control.read()).toEqual({ privateKey: undefined, listenPort: 7, peers: [] });
  await go.control.write({ privateKey });
  expect(go.asked).toEqual(['get=1\n\n', `set=1\nprivate_key=${'77'.repeat(32)}\n\n`]);
});

test('refusals are named and hold no key', async () => {
  using go = await peer(['errno=-22\n\n']);
  const error = await refusal(go.control.write({ privateKey }));
  expect(error).toMatchObject({ code: 'UAPI_FAILED', message: 'wireguard-go, set: EINVAL' });
  expect((await refusal(go.control.read())).message).toBe('wireguard-go, read: EINVAL');
});

test('closed without an answer, garbage, nobody there', async () => {
  using closing = await peer([]);
  expect((await refusal(closing.control.read())).message).toContain('closed without an answer');
  using garbage = await peer(['nonsense\n\n']);
  expect((await refusal(garbage.control.read())).message).toContain('cannot be read');
  expect((await refusal(new UapiControl('labman0', '/nonexistent').read())).message).toContain('ENOENT');
});

test('the socket’s path comes from a name, not from a path', () => {
  expect(uapiSocketPath('labman0')).toBe('/var/run/wireguard/labman0.sock');
  expect(() => uapiSocketPath('../../tmp/x')).toThrow(RangeError);
});
