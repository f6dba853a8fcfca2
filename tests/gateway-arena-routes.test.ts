import { connect } from 'node:net';
import { describe, expect, test } from 'bun:test';
import { sampleResult } from '@labmesh/gateway/testing/fake-arena';
import { wait } from '../packages/kit/src/http/testing/talk.ts';
import { bearer, errorOf, messages, VerificationGround } from './harness/verification-ground.ts';

/** One request line as it is written, which fetch would mend first; gives the status. */
function rawStatus(ground: VerificationGround, line: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(ground.mesh.gateway.port, '127.0.0.1');
    let text = '';
    socket.on('error', reject);
    socket.on('close', () => resolve(Number(text.split(' ')[1])));
    socket.on('data', (bytes) => void (text += bytes.toString('latin1')));
    const head = [line, 'host: 127.0.0.1', `authorization: Bearer ${ground.mesh.key}`, 'connection: close'];
    socket.write(`${head.join('\r\n')}\r\ncontent-length: 2\r\n\r\n{}`);
  });
}

for (const engine of ['raw', 'serve'] as const) {
  describe(`the arena's API for key holders (${engine})`, () => {
    test('method, path, query and body go on; tenant and key are ours, whatever the client sends', async () => {
      await using ground = await VerificationGround.start('', { engine });
      const { id, key } = await ground.newKey({ tenant: 'acme' });
      ground.arena.answer = (call) =>
        Response.json(
          { got: call.body },
          { status: 201, headers: { 'x-secret': 's', 'set-cookie': 'a=b', etag: '"1"' } },
        );
      const forged = { 'x-labmesh-tenant': 'default', 'x-labmesh-key': 'x', 'x-labmesh-verify': 'off', cookie: 'a=b' };
      const response = await ground.get('/api/arena/suites/add?dry=1', {
        method: 'PUT',
        body: '{"a":1.0}',
        ...bearer(key, { ...forged, 'content-type': 'application/json' }),
      });
      expect([response.status, await response.json()]).toEqual([201, { got: '{"a":1.0}' }]);
      expect(response.headers.get('etag')).toBe('"1"');
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      for (const name of ['x-secret', 'set-cookie']) expect(response.headers.get(name)).toBeNull();
      const [call] = ground.arena.calls;
      expect(call).toMatchObject({ method: 'PUT', path: '/api/arena/suites/add?dry=1' });
      expect(call?.headers).toMatchObject({ 'x-labmesh-tenant': 'acme', 'x-labmesh-key': id });
      expect(call?.headers['authorization']).toBe(`Bearer ${ground.mesh.gateway.internalToken}`);
      expect(JSON.stringify(call?.headers)).not.toContain(key);
      for (const name of ['x-labmesh-verify', 'cookie']) expect(call?.headers).not.toHaveProperty(name);
    });

    test('what makes the arena generate asks for the scope chat too', async () => {
      await using ground = await VerificationGround.start('', { engine });
      const { key } = await ground.newKey({ scopes: ['verify'] });
      const post = (path: string) => ground.get(path, { method: 'POST', body: '{}', ...bearer(key) });
      const judges = ['/api/arena/judges/check', '/api/arena/judges/tune'];
      for (const path of ['/api/arena/verify', ...judges, '/api/arena/runs']) {
        const refused = await post(path);
        expect([refused.status, (await errorOf(refused)).code]).toEqual([403, 'insufficient_scope']);
      }
      expect(ground.arena.calls).toHaveLength(0);
      expect((await post('/api/arena/trajectories')).status).not.toBe(403);
    });

    test('a certificate by its id or its run, for its tenant', async () => {
      await using ground = await VerificationGround.start('', { engine });
      ground.arena.answer = () => new Response(null, { status: 404 });
      const missing = await ground.get('/v1/certificates/cert-1?view=dsse');
      expect(missing.status).toBe(404);
      expect(ground.arena.calls[0]).toMatchObject({
        method: 'GET',
        path: '/api/arena/certificates/cert-1?view=dsse',
        headers: { 'x-labmesh-tenant': 'default' },
      });
      expect((await ground.get('/v1/certificates/cert-1', { method: 'POST', ...bearer(ground.mesh.key) })).status).toBe(
        405,
      );
    });

    test('a run that is watched: its events as they come, its offer made by us', async () => {
      await using ground = await VerificationGround.start('', { engine });
      const { id, key } = await ground.newKey({ tenant: 'acme', verification: 'passthrough' });
      ground.arena.script = () => [
        { event: 'accepted', runId: 'run-1', cached: false, position: 0 },
        300,
        sampleResult(),
      ];
      const verification = { mode: 'passthrough', variations: 2 };
      const body = { model: 'm', messages, verification, tenant: 'default', key: 'x' };
      const response = await ground.get('/api/arena/runs', {
        method: 'POST',
        body: JSON.stringify(body),
        ...bearer(key),
      });
      expect(response.headers.get('content-type')).toBe('application/x-ndjson');
      const reader = response.body?.getReader();
      expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('"accepted"');
      await reader?.cancel();
      const offer = ground.arena.offers[0]?.offer;
      expect(offer).toMatchObject({ tenant: 'acme', key: id, mode: 'intercept', block: { variations: 2 } });
      expect(offer?.request).not.toHaveProperty('verification');
      expect(offer?.deadlineMs).toBeGreaterThan(Date.now());
      await wait(() => ground.arena.aborted === 1);
    });

    test('a large answer to a slow client is held back at its source', async () => {
      await using ground = await VerificationGround.start('', { engine });
      let sent = 0;
      ground.arena.answer = () =>
        new Response(
          new ReadableStream({
            pull: (controller) => {
              sent += 65_536;
              controller.enqueue(new Uint8Array(65_536));
              if (sent >= 64 * 1024 * 1024) controller.close();
            },
          }),
        );
      const response = await ground.get('/api/arena/datasets/1');
      await Bun.sleep(300);
      const early = sent;
      expect(early).toBeLessThan(48 * 1024 * 1024);
      let got = 0;
      for await (const part of response.body ?? []) got += (part as Uint8Array).length;
      expect(got).toBe(64 * 1024 * 1024);
    });
  });
}

/** AR23: where the arena is stays with who runs the gateway. */
const away = (message: string = expect.any(String), gatewayEndpoint: string | null = null) => {
  const code = 'verification_unavailable';
  return { error: 'Gateway unavailable', message, code, gatewayEndpoint, request_id: expect.any(String) };
};

test('an arena that is gone: who uses the gateway without keys, on its machine, reads where it should be', async () => {
  await using ground = await VerificationGround.start('[gateway.auth]\nopen = true\n');
  await ground.arena[Symbol.asyncDispose]();
  const told = await ground.get('/api/arena/stats', {});
  expect([told.status, await told.json()]).toEqual([503, away(undefined, `unix:${ground.arena.socketPath}`)]);
  expect((await ground.get('/api/arena/stats', { headers: { origin: 'https://evil.example' } })).status).toBe(403);
});

test('no path leads out of the arena’s own API', async () => {
  await using ground = await VerificationGround.start();
  for (const path of [
    '/api/arena/../../v1/runs',
    '/api/arena/./runs',
    '/api/arena/%2e%2e/%2e%2e/v1/runs',
    '/api/arena/..%2f..%2fv1/runs',
    '/api/arena//runs',
    '/api/arena/runs/',
    '/api/arena/a\\..\\runs',
    '/api/arena/a;b',
    `/api/arena${'/a'.repeat(9)}`,
    '/v1/certificates/..',
    '/v1/certificates/a/b',
    '/v1/certificates/%2e%2e',
  ]) {
    const status = await rawStatus(ground, `${path.startsWith('/v1') ? 'GET' : 'POST'} ${path} HTTP/1.1`);
    expect([path, status]).toEqual([path, 404]);
  }
  expect(await rawStatus(ground, 'OPTIONS /api/arena HTTP/1.1')).toBe(405);
  expect(await rawStatus(ground, `GET /api/arena?${'q'.repeat(3_000)} HTTP/1.1`)).toBe(400);
  expect(ground.arena.calls).toHaveLength(0);
  expect(ground.arena.offers).toHaveLength(0);
});

test('what is refused: no key, no scope, no arena, an arena that refuses us or is gone', async () => {
  await using ground = await VerificationGround.start();
  expect((await ground.get('/api/arena', {})).status).toBe(401);
  const { key } = await ground.newKey({ scopes: ['chat'] });
  expect((await ground.get('/api/arena', bearer(key))).status).toBe(403);
  const run = (body: object) =>
    ground.get('/api/arena/runs', { method: 'POST', body: JSON.stringify(body), ...bearer(ground.mesh.key) });
  expect(await errorOf(await run({ messages }))).toMatchObject({ code: 'model_required' });
  expect(await errorOf(await run({ model: 'nope', messages }))).toMatchObject({ code: 'model_not_found' });
  const wrong = { model: 'm', messages, verification: { variations: 99 } };
  expect(await errorOf(await run(wrong))).toMatchObject({ code: 'verification_bad_option' });
  ground.arena.answer = () => new Response('who are you?', { status: 401 });
  const refused = await ground.get('/api/arena');
  expect([refused.status, await refused.json()]).toEqual([503, away()]);
  expect(refused.headers.get('retry-after')).toBe('5');
  const certificate = await ground.get('/v1/certificates/cert-1');
  expect(await errorOf(certificate)).toMatchObject({ code: 'verification_unavailable' });
  await ground.arena[Symbol.asyncDispose]();
  expect((await ground.get('/api/arena')).status).toBe(503);
  await using without = await VerificationGround.start('', { arena: 'none' });
  expect(await (await without.get('/api/arena')).json()).toEqual(away('this gateway has no arena'));
  void without.mesh.gateway.drain(50);
  expect(without.mesh.gateway.status().state).toBe('draining');
});
