import { expect, test } from 'bun:test';
import { operation, operations, scopes, type Operation } from './operations.ts';

const all: readonly Operation[] = operations;

test('names and routes are unique, names are verb-noun', () => {
  expect(new Set(all.map((row) => row.name)).size).toBe(all.length);
  expect(new Set(all.map((row) => `${row.plane} ${row.method} ${row.path}`)).size).toBe(all.length);
  for (const { name, summary } of all) {
    expect(name).toMatch(/^(list|get|create|edit|revoke|set|clear|delete|drain)(-[a-z]+)+$/);
    expect(summary).toMatch(/^[A-Z].*[^.]$/);
  }
});

test('everything behind a key says which scope; everything under /admin needs an admin scope', () => {
  for (const { name, auth, scope, path, method } of all) {
    expect([name, scope !== undefined && scopes.includes(scope)]).toEqual([name, auth !== 'none']);
    if (path.startsWith('/admin/'))
      expect([name, auth, scope as string]).toEqual([name, 'admin', method === 'GET' ? 'admin:read' : 'admin:write']);
  }
});

/** Who may do what: a change here is a change of rights, and is read as one. */
test('golden access table', () => {
  expect(all.map((row) => `${row.method} ${row.path} ${row.auth} ${row.scope ?? '-'}`)).toEqual([
    'GET /v1/models key models',
    'GET /v1/models/{id} key models',
    'POST /v1/chat/completions key chat',
    'POST /v1/completions key completions',
    'POST /v1/embeddings key embeddings',
    'POST /api/arena/runs key verify',
    'GET /v1/certificates/{id} key verify',
    'GET /health none -',
    'GET /ready none -',
    'GET /metrics admin metrics',
    'GET /admin/status admin admin:read',
    'GET /admin/endpoints admin admin:read',
    'GET /admin/models admin admin:read',
    'GET /admin/keys admin admin:read',
    'POST /admin/keys admin admin:write',
    'PATCH /admin/keys/{id} admin admin:write',
    'DELETE /admin/keys/{id} admin admin:write',
    'GET /admin/usage admin admin:read',
    'POST /admin/mode/{mode} admin admin:write',
    'POST /admin/clear-cache admin admin:write',
    'DELETE /admin/cache admin admin:write',
    'POST /admin/drain admin admin:write',
  ]);
  expect(operation('create-key').path).toBe('/admin/keys');
});
