import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import type { Writer } from '@labmesh/store/store';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { fleetOperations } from '@labmesh/wire/fleet/operations';
import { fleetErrors } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { openAuditLog } from '../audit/audit-log.ts';
import { type LabdApp, openLabdApp, stranger } from '../../../../tests/harness/labd-app.ts';

const operations: readonly FleetOperation[] = fleetOperations;
let app: LabdApp;

beforeAll(async () => {
  app = await openLabdApp({ allowedOrigins: ['https://dash.example'], trustedProxies: ['192.0.2.80'] });
});
afterAll(() => app[Symbol.asyncDispose]());

describe('AP-1 one table', () => {
  test('every operation has a name, a route, an OpenAPI path of its own and a handler', async () => {
    const { body } = await app.call('GET', '/api/openapi.json');
    const paths = body.paths as Record<string, Record<string, { operationId: string }>>;
    const described = Object.values(paths).flatMap((path) => Object.values(path).map((one) => one.operationId));
    expect(new Set(described).size).toBe(described.length);
    for (const [n, { name, method, path, aliases = [] }] of operations.entries()) {
      const key = path.replace(/:(\w+)/g, '{$1}');
      expect(paths[key]?.[method.toLowerCase()]?.operationId).toBe(name);
      for (const alias of aliases) {
        expect(paths[alias.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]?.operationId).toBe(`${name}-alias`);
      }
      const url = path.replace(/:(\w+)/g, 'none');
      const headers = { authorization: 'Bearer lmn_x' };
      const answer = await app.call(method, url, { headers }, stranger(`198.51.100.${n}`));
      expect(`${name} ${answer.status}`).toBe(`${name} 403`);
    }
    expect(described.length).toBe(operations.reduce((sum, { aliases = [] }) => sum + 1 + aliases.length, 0));
  });

  test('names and routes come once', () => {
    expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length);
    const routes = operations.flatMap(({ method, path, aliases = [] }) =>
      [path, ...aliases].map((one) => `${method} ${one}`),
    );
    expect(new Set(routes).size).toBe(routes.length);
  });

  test('the document says who may, and what an error looks like', async () => {
    const { body } = await app.call('GET', '/api/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(body.paths['/api/servers'].get.description).toBe('Needs list on servers.');
    expect(body.paths['/healthz'].get.security).toEqual([]);
    expect(body.components.schemas.Error.properties.error.properties.code.enum).toEqual(Object.keys(fleetErrors));
  });
});

describe('methods and paths', () => {
  test('HEAD is GET without a body', async () => {
    const answer = await app.call('HEAD', '/api/servers');
    expect([answer.status, answer.text]).toEqual([200, '']);
  });

  test('another method is 405 with Allow, HEAD where there is GET', async () => {
    const put = await app.call('PUT', '/api/servers');
    expect([put.status, put.body.error.code, put.headers.get('allow')]).toEqual([
      405,
      'METHOD_NOT_ALLOWED',
      'GET, HEAD',
    ]);
    const got = await app.call('GET', '/api/tokens/x/revoke');
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
    const options = await app.call('OPTIONS', '/api/roles/x');
    expect(options.headers.get('allow')?.split(', ').toSorted()).toEqual(['DELETE', 'GET', 'HEAD', 'PUT']);
  });

  test.each([
    '/',
    '/api',
    '/api/nope',
    '/api/servers/',
    '/api/servers/a/b/c',
    '/api//servers',
    '/ws/client',
    '/API/servers',
  ])('there is no route %s', async (path) => {
    const answer = await app.call('GET', path);
    expect([answer.status, answer.body.error.code]).toEqual([404, 'NOT_FOUND']);
  });

  test.each(['%', '%ff%fe', 'a%2fb', '%00', '..%2f..%2fetc', "'%20or%201=1", 'x'.repeat(4_000)])(
    'a name that is none finds nothing: %s',
    async (name) => {
      for (const path of ['servers', 'agents', 'users', 'roles', 'tokens', 'sessions']) {
        const answer = await app.call('GET', `/api/${path}/${name}`);
        expect(`${path} ${answer.status}`).toBe(`${path} 404`);
      }
    },
  );
});

describe('AP-2, AP-5 headers and errors', () => {
  test('X-Request-Id is echoed when it is harmless, else made', async () => {
    const echoed = await app.call('GET', '/api/nope', { headers: { 'x-request-id': 'mine-1' } });
    expect([echoed.headers.get('x-request-id'), echoed.body.error.requestId]).toEqual(['mine-1', 'mine-1']);
    for (const id of ['with space', 'x'.repeat(65), '<b>', '']) {
      const made = await app.call('GET', '/healthz', { headers: { 'x-request-id': id } });
      expect(made.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
    }
  });

  test('nothing is stored by caches or guessed by browsers, whatever the answer', async () => {
    for (const path of ['/healthz', '/api/version', '/api/nope', '/ca/crl', '/api/audit/export']) {
      const { headers } = await app.call('GET', path);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  test('an error of ours tells a stranger nothing of its cause, and the log tells it once', async () => {
    const { store } = app.core;
    const { read } = store;
    Object.assign(store, { read: () => Promise.reject(new Error('secret cause at /var/lib/x')) });
    const answer = await app.call('GET', '/api/roles', { headers: { 'x-request-id': 'broken-1' } }).finally(() => {
      Object.assign(store, { read });
    });
    expect([answer.status, answer.body.error.code]).toEqual([500, 'INTERNAL']);
    expect(answer.text).not.toContain('secret cause');
    const told = app.log.filter((line) => line.includes('"broken-1"'));
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('secret cause');
  });
});

describe('LD-5 who may ask from where', () => {
  const status = async (headers: Record<string, string>) =>
    (await app.call('GET', '/healthz', { headers }, stranger())).status;

  test.each(['127.0.0.1', '127.0.0.1:9', 'localhost:1', '[::1]:3100', 'LOCALHOST'])('host %s is ours', async (host) => {
    expect(await status({ host })).toBe(200);
  });
  test.each(['evil.example', '127.0.0.1.evil.example', '127.0.0.1:1:2', 'localhost.', '', '127.1', '0.0.0.0', '[::]'])(
    'host %s is refused',
    async (host) => {
      expect(await status({ host })).toBe(403);
    },
  );
  test.each(['https://evil.example', 'null', 'https://dash.example.evil', 'http://dash.example', '*'])(
    'origin %s is refused',
    async (origin) => {
      expect(await status({ origin })).toBe(403);
    },
  );
  test('an origin of allowed_origins may', async () => {
    expect(await status({ origin: 'https://dash.example' })).toBe(200);
  });
  test('the admin socket has no host', async () => {
    expect((await app.call('GET', '/healthz', { headers: { host: 'x' } })).status).toBe(200);
  });
});

describe('AP-10 health', () => {
  test('the four routes and their shapes', async () => {
    expect((await app.call('GET', '/healthz', {}, stranger())).text).toBe('ok');
    expect((await app.call('GET', '/health/live', {}, stranger())).body).toEqual({ status: 'ok' });
    const health = await app.call('GET', '/health', {}, stranger());
    expect(health.body).toEqual({ status: 'ok', version: '0.0.0', uptimeS: expect.any(Number) });
    const ready = await app.call('GET', '/health/ready', {}, stranger());
    expect(ready.body).toEqual({ status: 'ok', checks: { database: 'ok', migrations: 'ok', ca: 'ok', audit: 'ok' } });
  });

  test('AP-11 details, for those who may', async () => {
    expect((await app.call('GET', '/health/detailed', {}, stranger())).status).toBe(401);
    const { body } = await app.call('GET', '/health/detailed');
    expect(body).toMatchObject({
      status: 'ok',
      database: { engine: 'sqlite', status: 'ok' },
      agents: { connected: 0 },
    });
    expect(body.audit.headSeq).toBeGreaterThan(0);
    expect(body.replicas).toHaveLength(1);
  });

  test('LD-7 database away: health tells, the rest is 503 with Retry-After', async () => {
    const { store } = app.core;
    const { ping } = store;
    Object.assign(store, { ping: () => Promise.reject(new Error('away')) });
    const [live, ready] = [await app.call('GET', '/health/live'), await app.call('GET', '/health/ready')];
    Object.assign(store, { ping });
    expect([live.status, ready.status, ready.body.checks.database]).toEqual([200, 503, 'down']);
  });
});

describe('AP-10 a replica that cannot do its work is not ready', () => {
  const told = async (one: LabdApp) => {
    const [ready, health] = [await one.call('GET', '/health/ready'), await one.call('GET', '/health')];
    const { status, checks } = ready.body as { status: string; checks: Record<string, string> };
    const wrong = Object.entries(checks).filter(([, state]) => state !== 'ok');
    return [ready.status, status, Object.fromEntries(wrong), health.status, health.body.status];
  };

  test('AU-3 its audit chain is another’s: stopped, and said so', async () => {
    await using one = await openLabdApp();
    const { store, secrets, audit, clock } = one.core;
    const principal = { kind: 'system', id: 'test', name: 'test' } as const;
    const entry = { principal, phase: 'single', action: 'test', result: 'ok' } as const;
    expect(await told(one)).toEqual([200, 'ok', {}, 200, 'ok']);
    await using second = await openAuditLog({ store, secrets, chain: audit.chain, clock, log: silentLogger });
    // Another row, even when both are of the same millisecond: with equal rows the chain would still be its own.
    await second.append({ ...entry, action: 'test.other' });
    await audit.append(entry).catch(() => undefined);
    expect(audit.stopped()).toBe('CHAIN_TAKEN');
    expect(await told(one)).toEqual([503, 'down', { audit: 'stopped' }, 200, 'degraded']);
    expect((await one.call('GET', '/health/ready')).text).not.toContain(audit.chain);
    expect((await one.call('POST', '/api/tokens', { json: {} })).body.error.code).toBe('AUDIT_UNAVAILABLE');
  });

  test('rows of the audit log wait', async () => {
    await using one = await openLabdApp();
    Object.assign(one.core.audit, { lagMs: () => 6_000 });
    expect(await told(one)).toEqual([503, 'down', { audit: 'down' }, 200, 'degraded']);
  });

  test('no issuing key is at hand, or its certificate has ended', async () => {
    await using one = await openLabdApp();
    const { authority } = one.core;
    const status = authority.status();
    const past = status.keys.map((key) => ({ ...key, notAfter: Date.now() - 1 }));
    Object.assign(authority, { status: () => ({ ...status, keys: past }) });
    expect(await told(one)).toEqual([503, 'down', { ca: 'down' }, 200, 'degraded']);
    const none = () => {
      throw new Error('no active intermediate can sign');
    };
    Object.assign(authority, { status: () => status, serverIssuerKey: none });
    expect(await told(one)).toEqual([503, 'down', { ca: 'down' }, 200, 'degraded']);
  });

  test('the schema under it is another one: too new, or an older one put in its place', async () => {
    await using one = await openLabdApp();
    const { store } = one.core;
    const write = (work: (tx: Writer) => Promise<unknown>) => store.write(system('test'), work);
    const newer = { id: 1_000_000, release: 1_000, applied_at: 0 };
    await write((tx) => tx.insertInto('migrations').values(newer).execute());
    expect(await told(one)).toEqual([503, 'down', { migrations: 'down' }, 200, 'degraded']);
    await write((tx) => tx.deleteFrom('migrations').where('id', '=', newer.id).execute());
    expect(await told(one)).toEqual([200, 'ok', {}, 200, 'ok']);
    await write((tx) => tx.deleteFrom('migrations').where('id', '=', 1).execute());
    expect(await told(one)).toEqual([503, 'down', { migrations: 'down' }, 200, 'degraded']);
  });
});

test('SD-1 while it stops, only what is open to all is served', async () => {
  await using stopping = await openLabdApp();
  stopping.stop();
  const refused = await stopping.call('GET', '/api/servers');
  expect([refused.status, refused.body.error.code]).toEqual([503, 'SHUTTING_DOWN']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await stopping.call('GET', '/health/ready')).status).toBe(503);
  expect((await stopping.call('GET', '/health/live')).status).toBe(200);
  expect((await stopping.call('GET', '/ca/pin')).text).toStartWith('sha256:');
});
