/** The API on a socket of its own: streams, clients that go away, addresses that are refused. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { arenaEventSchema } from '@labmesh/wire/verification/arena-run';
import { offerOf } from '../runs/testing/offers.ts';
import { ArenaAddressError, serveArena } from './serve-arena.ts';
import { type AppRig, openAppRig, token } from './testing/app-rig.ts';

let rig: AppRig;
let socketPath: string;
const served = new AsyncDisposableStack();
beforeAll(async () => {
  rig = served.use(
    await openAppRig(({ model }) =>
      model === 'slow' ? { parts: Array.from({ length: 500 }, () => 'x '), delayMs: 10 } : { parts: ['good'] },
    ),
  );
  socketPath = join(rig.folder, 'socket/arena.sock');
  served.use(await serveArena(rig.app, { socketPath }));
});
afterAll(() => served.disposeAsync());

const post = (offer: object, signal?: AbortSignal) =>
  fetch('http://arena/v1/runs', {
    unix: socketPath,
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'x-labmesh-tenant': 'acme', 'x-labmesh-key': 'key-1' },
    body: JSON.stringify(offer),
    ...(signal && { signal }),
  });

test('the socket is its owner’s alone', () => {
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  expect(statSync(join(rig.folder, 'socket')).mode & 0o777).toBe(0o700);
});

test('a run is one event a line, and the stream ends with it', async () => {
  const answer = await post(offerOf({ block: { variations: 2 } }));
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
  const lines = (await answer.text()).split('\n');
  expect(lines.pop()).toBe('');
  const events = lines.map((line) => arenaEventSchema.parse(JSON.parse(line)).event);
  expect([events[0], events.at(-1)]).toEqual(['accepted', 'result']);
});

test('a client that goes away while the models still write ends the run, upstream too', async () => {
  const leaving = new AbortController();
  const request = { model: 'slow', messages: [{ role: 'user', content: 'x' }] };
  const before = rig.gateway.heard.length;
  const answer = await post(offerOf({ request, block: { variations: 2 } }), leaving.signal);
  const reader = answer.body?.getReader();
  await reader?.read();
  while (rig.gateway.heard.length < before + 2) await Bun.sleep(5);
  leaving.abort();
  await reader?.read().catch(() => undefined);
  for (let wait = 0; rig.gateway.count('open') > 0 && wait < 400; wait++) await Bun.sleep(10);
  const own = rig.gateway.heard.slice(before).map(({ state }) => state);
  expect(own).toEqual(['aborted', 'aborted']);
  for (let wait = 0; rig.runs.stats().running > 0 && wait < 400; wait++) await Bun.sleep(10);
  expect(rig.runs.stats()).toEqual({ queued: 0, running: 0 });
});

test('a body beyond its bound is not read to its end', async () => {
  const { status } = await post({ ...offerOf(), junk: 'x'.repeat(6 * 1024 * 1024) });
  expect(status).toBe(413);
});

test('off this machine it listens with mTLS only', async () => {
  const open = serveArena(rig.app, { host: '0.0.0.0', port: 0, tls: undefined });
  expect(
    await open.then(
      () => undefined,
      (error: unknown) => error,
    ),
  ).toBeInstanceOf(ArenaAddressError);
  await using local = await serveArena(rig.app, { host: '127.0.0.1', port: 0, tls: undefined });
  expect((await fetch(`http://127.0.0.1:${local.port}/livez`)).status).toBe(200);
});
