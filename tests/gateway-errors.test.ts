import { thrower } from '@labmesh/wire/testing/errors';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { system } from '@labmesh/wire/fleet/principal';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { EngineSimulator } from './simulators/engines/engine-simulator.ts';
import { startEngine } from './simulators/engines/start-engine.ts';
import { type Mesh, startMesh } from './harness/start-mesh.ts';

type ErrorBody = { error: { message: string; type: string; param: string | null; code: string } };
const messages = [{ role: 'user', content: 'hi' }];

for (const engine of ['raw', 'serve'] as const) {
  describe(`errors in OpenAI's form (${engine})`, () => {
    let vllm: EngineSimulator;
    let mesh: Mesh;
    beforeAll(async () => {
      vllm = await startEngine({ kind: 'vllm', models: ['m'] });
      const toml =
        '[models.writer]\nmodel_id = "m"\n[models.lonely]\nmodel_id = "m"\nendpoints = ["gone"]\n[gateway]\nmax_body_bytes = 100000\n[queue]\nmax = 2\ntenant_share = 1\ndown_wait_s = 0\ntimeout_s = 0.4';
      mesh = await startMesh([{ name: 'vllm', baseUrl: vllm.url, maxConcurrent: 1 }], { toml, engine, store: 'file' });
    });
    afterAll(async () => {
      await mesh[Symbol.asyncDispose]();
      await vllm[Symbol.asyncDispose]();
    });

    const refusal = async (response: Response, status: number, code: string) => {
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(response.headers.get('x-request-id')).toMatch(/^[\w.-]+$/);
      const body = (await response.json()) as ErrorBody;
      expect(body.error.code).toBe(code);
      expect(Object.keys(body.error).toSorted()).toEqual(['code', 'message', 'param', 'type']);
      expect(body.error.message).not.toContain(String(vllm.port));
      expect(body.error.message).not.toContain('127.0.0.1');
      return body.error;
    };
    const chat = (body: unknown, init: RequestInit = {}) => mesh.post('/v1/chat/completions', body, init);

    test('no key, garbage, a wrong key and two different keys: 401', async () => {
      const wrong = `${mesh.key.slice(0, -1)}${mesh.key.endsWith('0') ? '1' : '0'}`;
      for (const headers of [
        { authorization: '' },
        { authorization: 'Bearer nonsense' },
        { authorization: `Bearer ${wrong}` },
        { 'x-api-key': 'another' },
      ] as Array<Record<string, string>>) {
        const error = await refusal(await chat({ model: 'm', messages }, { headers }), 401, 'invalid_api_key');
        expect(error.type).toBe('authentication_error');
      }
      expect(vllm.generated).toBe(0);
      expect(
        (await chat({ model: 'm', messages }, { headers: { authorization: '', 'x-api-key': mesh.key } })).status,
      ).toBe(200);
    });

    test('malformed JSON: 400 with the position; duplicate, wrong type, missing model: 400 with the field', async () => {
      expect((await refusal(await chat('{"model":"m",'), 400, 'invalid_json')).message).toContain('at byte 13');
      await refusal(await chat('{"model":"m","model":"m"}'), 400, 'duplicate_field');
      expect((await refusal(await chat({ model: 7 }), 400, 'invalid_type')).param).toBe('model');
      await refusal(await chat({ messages }), 400, 'model_required');
    });

    test('an unknown model: 404 naming labctl models and the near name', async () => {
      const error = await refusal(await chat({ model: 'writr', messages }), 404, 'model_not_found');
      expect(error.message).toContain('labctl models');
      expect(error.message).toContain("'writer'");
    });

    test('a body above the limit: 413 naming it', async () => {
      const error = await refusal(
        await chat({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(100_001) }] }),
        413,
        'request_too_large',
      );
      expect(error.message).toContain('100000 bytes');
    });

    test('wrong method 405, unknown route 404, unsupported route 501', async () => {
      const base = mesh.gateway.api;
      await refusal(await fetch(`${base}/chat/completions`), 405, 'method_not_allowed');
      await refusal(await mesh.post('/v1/nothing', {}), 404, 'unknown_route');
      await refusal(await mesh.post('/v1/responses', {}), 501, 'not_supported');
      await refusal(await mesh.post('/admin/keys', { name: 'x' }), 401, 'invalid_api_key');
    });

    test('an alias whose endpoint is not there: 503 with Retry-After', async () => {
      const response = await chat({ model: 'lonely', messages });
      expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
      await refusal(response, 503, 'no_endpoint_available');
    });

    test('a full queue: 429 with Retry-After; one that waits too long: 503', async () => {
      vllm.options.prefillMs = 700;
      const running = chat({ model: 'm', messages });
      await Bun.sleep(50);
      const waiting = [chat({ model: 'm', messages }), chat({ model: 'm', messages })];
      await Bun.sleep(50);
      const third = await chat({ model: 'm', messages });
      expect(third.headers.get('retry-after')).toMatch(/^\d+$/);
      await refusal(third, 429, 'queue_full');
      const late = await Promise.all(waiting);
      vllm.options.prefillMs = 0;
      for (const response of late) await refusal(response, 503, 'queue_timeout');
      expect((await running).status).toBe(200);
    });

    test("the engine's 4xx passes as it is, its 5xx and 401 are replaced", async () => {
      vllm.faults = { generateStatus: 422, body: '{"detail": "engine  words"}' };
      const passed = await chat({ model: 'm', messages });
      expect([passed.status, await passed.text()]).toEqual([422, '{"detail": "engine  words"}']);
      vllm.faults = { generateStatus: 500, body: `boom at http://127.0.0.1:${vllm.port}/srv/models` };
      const failed = await chat({ model: 'm', messages });
      expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
      await refusal(failed, 502, 'upstream_error');
      vllm.faults = {};
    });

    test('an endpoint that is down: 502 or 503 with Retry-After and without its address', async () => {
      await Bun.sleep(700);
      vllm.kill();
      const response = await chat({ model: 'm', messages });
      expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
      await refusal(
        response,
        response.status === 502 ? 502 : 503,
        response.status === 502 ? 'upstream_error' : 'no_endpoint_available',
      );
      vllm.revive();
    });

    test('a revoked key is dead at once, keys stand nowhere in clear but in their own file', async () => {
      const admin = { headers: { authorization: `Bearer ${mesh.gateway.adminToken}` } };
      const made = (await (await mesh.post('/admin/keys', { name: 'second' }, admin)).json()) as {
        id: string;
        key: string;
      };
      const asSecond = { headers: { authorization: `Bearer ${made.key}` } };
      expect((await fetch(`${mesh.gateway.api}/models`, asSecond)).status).toBe(200);
      await fetch(`${mesh.gateway.api.replace('/v1', '')}/admin/keys/${made.id}`, { method: 'DELETE', ...admin });
      await refusal(await fetch(`${mesh.gateway.api}/models`, asSecond), 401, 'invalid_api_key');
      for (const secret of [mesh.key, made.key, mesh.gateway.adminToken]) {
        expect(mesh.logged()).not.toContain(secret);
        const files = readdirSync(mesh.dataDir, { recursive: true, withFileTypes: true });
        for (const file of files.filter((one) => one.isFile() && one.name !== 'api.key'))
          expect(readFileSync(join(file.parentPath, file.name), 'latin1')).not.toContain(secret);
      }
      for (const file of ['api.key', 'labmesh.db', 'gateway/pepper'])
        expect(statSync(join(mesh.dataDir, file)).mode & 0o777).toBe(0o600);
    });
  });
}

test('a wildcard address needs an explicit setting', async () => {
  expect(await thrower(startMesh([], { toml: '[gateway]\nhost = "0.0.0.0"' }))).toThrow('allow_wildcard');
  for (const host of ['0', '0.0', '00.0.0.0', '::', '::0', '[::]', '*']) {
    expect(await thrower(startMesh([], { toml: `[gateway]\nhost = "${host}"` }))).toThrow('allow_wildcard');
  }
  const open = await startMesh([], { toml: '[gateway]\nhost = "0.0.0.0"\nallow_wildcard = true' });
  expect(open.logged()).toContain('every network of this machine');
  await open[Symbol.asyncDispose]();
  expect(
    await thrower(
      startMesh([], { toml: '[gateway]\nhost = "0.0.0.0"\nallow_wildcard = true\n[gateway.auth]\nopen = true' }),
    ),
  ).toThrow('loopback only');
});

test('open access and keyless metrics are closed to browser pages of other origins and names', async () => {
  await using mesh = await startMesh([], { toml: '[gateway.auth]\nopen = true' });
  const base = mesh.gateway.api.replace('/v1', '');
  expect((await fetch(`${base}/v1/models`)).status).toBe(200);
  for (const path of ['/v1/models', '/metrics']) {
    for (const headers of [{ origin: 'http://evil.example' }, { host: 'evil.example' }] as Array<
      Record<string, string>
    >) {
      expect((await fetch(`${base}${path}`, { headers })).status).toBe(403);
    }
  }
});

test('keys of a version that kept them in a file move into the store', async () => {
  await using mesh = await startMesh([]);
  const { KeyStore } = await import('@labmesh/gateway/access/key-store');
  const folder = join(mesh.dataDir, 'gateway');
  const hash = 'ab'.repeat(32);
  const old = { id: 'AAAAAAAAAAAA', name: 'old', hash, scopes: ['chat'], createdAt: 5, revokedAt: 6 };
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ version: 1, keys: [old] }), { mode: 0o600 });
  for (const _ of [1, 2]) {
    await using keys = await KeyStore.open(mesh.store, folder, () => {});
    const { hash: _hash, ...shown } = old;
    expect(keys.list()).toContainEqual({ ...shown, tenant: 'default' });
  }
  expect(existsSync(join(folder, 'keys.json'))).toBe(false);
});

test('the first key: kept over starts, not shown when it was revoked, made anew when all keys are gone', async () => {
  await using mesh = await startMesh([]);
  const { KeyStore } = await import('@labmesh/gateway/access/key-store');
  const { firstKey } = await import('@labmesh/gateway/access/first-key');
  const folder = join(mesh.dataDir, 'gateway');
  const first = async () => {
    await using keys = await KeyStore.open(mesh.store, folder, () => {});
    return await firstKey(keys, mesh.dataDir);
  };
  expect(await first()).toMatchObject({ text: mesh.key, created: false });
  await using keys = await KeyStore.open(mesh.store, folder, () => {});
  await keys.create('second');
  await keys.revoke(keys.list()[0]?.id ?? '');
  expect(await first()).toMatchObject({ text: '', created: false });
  writeFileSync(join(folder, 'keys.json'), '{"version":1,');
  expect(await thrower(first())).toThrow('damaged');
  rmSync(join(folder, 'keys.json'));
  await mesh.store.write(system('test'), (tx) => tx.deleteFrom('keys').execute());
  const anew = await first();
  expect(anew.created).toBe(true);
  expect(anew.text).not.toBe(mesh.key);
});
