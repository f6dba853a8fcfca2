import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { HttpPool } from './client.ts';
import { fetchWhole } from './fetch-whole.ts';

test('a signal closes the connection, before the answer and in the middle of it; later it means nothing', async () => {
  let open = 0;
  await using server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      open++;
      request.signal.addEventListener('abort', () => open--);
      if (request.url.endsWith('/never')) await new Promise(() => {});
      if (request.url.endsWith('/part')) return new Response(new ReadableStream({ start: (one) => one.enqueue('a') }));
      return new Response('whole');
    },
  });
  await using pool = new HttpPool();
  const origin = { host: '127.0.0.1', port: server.port ?? 0, tls: false };
  const get = (path: string, signal: AbortSignal) =>
    fetchWhole(pool, origin, { path, timeoutMs: 20_000, bytesMax: 100, signal });
  for (const path of ['/never', '/part']) {
    const caller = new AbortController();
    const answer = get(path, caller.signal);
    while (open === 0) await Bun.sleep(2);
    await Bun.sleep(10);
    caller.abort(new Error('enough'));
    expect(await thrower(answer)).toThrow('enough');
    while (open > 0) await Bun.sleep(2);
  }
  const caller = new AbortController();
  expect((await get('/whole', caller.signal)).status).toBe(200);
  caller.abort(new Error('late'));
  expect(await thrower(get('/whole', caller.signal))).toThrow('late');
});
