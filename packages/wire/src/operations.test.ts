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

/** How answers are verified has a right of its own (verification RP8). */
const operated = ['set-verification-mode', 'clear-cache', 'delete-cache'];
const adminScope = (method: string, name: string) =>
  operated.includes(name) ? 'arena:operate' : method === 'GET' ? 'admin:read' : 'admin:write';

test('everything behind a key says which scope; everything under /admin needs an admin scope', () => {
  for (const { name, auth, scope, path, method } of all) {
    expect([name, scope !== undefined && scopes.includes(scope)]).toEqual([name, auth !== 'none']);
    if (path.startsWith('/admin/'))
      expect([name, auth, scope as string]).toEqual([name, 'admin', adminScope(method, name)]);
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
    'POST /admin/mode/{mode} admin arena:operate',
    'POST /admin/clear-cache admin arena:operate',
    'DELETE /admin/cache admin arena:operate',
    'POST /admin/drain admin admin:write',
  ]);
  expect(operation('create-key').path).toBe('/admin/keys');
});
