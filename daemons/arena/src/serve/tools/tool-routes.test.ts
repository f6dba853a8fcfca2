import { afterAll, beforeAll, expect, test } from 'bun:test';
import { toolServerListSchema } from '@labmesh/wire/verification/tools/tool-use';
import { Hono } from 'hono';
import { tenantHeader } from '@labmesh/wire/verification/arena-run';
import { McpSimulator } from '../../../../../tests/simulators/mcp/mcp-simulator.ts';
import { openTools } from '../../generate/testing/open-tools.ts';
import { type AppRig, openAppRig } from '../testing/app-rig.ts';
import { toolRoutes } from './tool-routes.ts';

let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

test('a tenant sees the servers that are open to it, with what each of their tools is', async () => {
  await using server = new McpSimulator();
  await using tools = openTools([
    { url: server.url },
    { url: server.url, name: 'closed', tenants: ['globex'] },
    { url: 'http://127.0.0.1:9/mcp', name: 'away' },
  ]);
  const app = new Hono().route('/', toolRoutes({ tools, runs: rig.runs }));
  const seen = async (tenant: string) => {
    const answer = await app.request('/api/arena/tools', { headers: { [tenantHeader]: tenant } });
    return toolServerListSchema.parse(await answer.json());
  };
  const { servers } = await seen('acme');
  expect(servers.map(({ name, status, tools: { length } }) => [name, status, length])).toEqual([
    ['docs', 'online', 3],
    ['away', 'offline', 0],
  ]);
  expect(servers[0]?.tools.map(({ offeredAs, blocked }) => [offeredAs, blocked === null])).toEqual([
    ['docs__lookup', true],
    ['docs__erase', false],
    ['docs__broken', true],
  ]);
  expect((await seen('globex')).servers.map(({ name }) => name)).toEqual(['docs', 'closed', 'away']);

  const [offered] = await tools.select('acme', ['docs/lookup'], new AbortController().signal);
  const ask = { whose: { tenant: 'acme', priority: 'normal' as const }, args: { word: 'a' } };
  for (let times = 0; times < 2; times++) {
    if (offered !== undefined) await tools.call({ ...ask, offered, signal: new AbortController().signal });
  }
  // How much the others call is no tenant's: the same as before the calls, but for the time.
  const answer = await app.request('/api/arena/tools', { headers: { [tenantHeader]: 'globex' } });
  const view = (await answer.json()) as Record<string, Record<string, unknown>[]>;
  expect(Object.keys(view)).toEqual(['servers']);
  const fields = ['name', 'status', 'reason', 'lastCheck', 'tools'];
  expect(view['servers']?.map((one) => Object.keys(one))).toEqual([fields, fields, fields]);
  const text = await (await app.request('/metrics')).text();
  expect(text).toContain('labmesh_arena_tool_calls_total{server="docs"} 2\n');
  expect(text).toContain('labmesh_arena_tool_calls_cached_total{server="docs"} 1\n');
  expect(text).toContain('labmesh_arena_tool_cache_entries 1\n');
  expect(text).toContain('labmesh_arena_runs_running 0\n');
});

test('figures of all tenants are for who has the secret, and need no tenant; tools need one', async () => {
  expect((await rig.ask('GET', '/metrics', { auth: null })).status).toBe(401);
  const figures = await rig.ask('GET', '/metrics', { tenant: null });
  expect([figures.status, figures.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
  expect((await rig.json('GET', '/api/arena/tools', { tenant: null })).status).toBe(401);
  expect((await rig.json('GET', '/api/arena/tools')).body).toMatchObject({ servers: [] });
});
