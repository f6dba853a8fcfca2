/** What tool servers, settings of another day and other tenants can do to a call: nothing that the settings of now forbid. */
import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { FakeClock, systemClock } from '@labmesh/kit/clock';
import { type Logger, silentLogger } from '@labmesh/kit/log';
import {
  McpSimulator,
  type McpSimulatorOptions,
  type SimTool,
  usualTools,
} from '../../../../../tests/simulators/mcp/mcp-simulator.ts';
import type { OfferedTool } from '../../contract/offered-tool.ts';
import { ownedByTest } from '../testing/owned-by-test.ts';
import { openTools, type TestServer } from '../testing/open-tools.ts';
import type { ToolBox } from './tool-box.ts';

const never = new AbortController().signal;
const use = ownedByTest();
const simulator = (options: McpSimulatorOptions = {}) => use(new McpSimulator(options));
const boxOf = (server: TestServer, ...more: unknown[]) =>
  use(openTools([server], ...(more as [Parameters<typeof openTools>[1]])));
const whose = (tenant = 'acme') => ({ tenant, priority: 'normal' as const });
/** As a plan keeps it: whatever the box of now thinks of the tool. */
const planned = (tool: string): OfferedTool => ({
  server: 'docs',
  tool,
  offeredAs: `docs__${tool}`,
  description: '',
  parameters: {},
});
const call = (box: ToolBox, tool: string, args = {}, tenant = 'acme') =>
  box.call({ whose: whose(tenant), offered: planned(tool), args, signal: never });

describe('a run that goes on after a restart', () => {
  const reads: SimTool = { name: 'page', annotations: { readOnlyHint: true }, call: () => ({ content: [] }) };

  test('calls nothing that was taken from `allow`, put on `block` in whatever case, or may have effects now', async () => {
    const server = simulator({ tools: [...usualTools, { ...reads, annotations: {} }, { ...reads, name: 'DropAll' }] });
    const { url } = server;
    expect(await call(boxOf({ url, allow: ['erase'] }), 'erase')).toMatchObject({ state: 'ok' });
    const box = boxOf({ url, block: ['drop*'] });
    for (const name of ['erase', 'page', 'DropAll', 'never-listed']) {
      expect([name, (await call(box, name)).state]).toEqual([name, 'blocked']);
    }
    expect(server.heard.filter((one) => one.startsWith('tools/call'))).toEqual(['tools/call erase']);
    expect(box.counts).toMatchObject([{ calls: 0, failed: 0 }]);
  });

  test('calls nothing while nobody can say what there is', async () => {
    const server = simulator({ token: 'a-long-secret' });
    const box = boxOf({ url: server.url });
    expect(await call(box, 'erase')).toMatchObject({ state: 'unavailable' });
    expect(server.heard).toEqual([]);
    expect(box.counts).toMatchObject([{ calls: 1, failed: 1 }]);
  });

  test('sees a tool go while it is under way, when the list is old', async () => {
    const tools = [reads];
    const server = simulator({ tools });
    const clock = new FakeClock();
    const box = boxOf({ url: server.url }, {}, { clock: { ...systemClock, now: () => clock.now() } });
    expect((await call(box, 'page')).state).toBe('ok');
    tools.length = 0;
    await clock.advance(300_001);
    // Not even what it said before.
    expect(await call(box, 'page')).toMatchObject({ state: 'blocked', cached: false });
  });
});

describe('what one tenant calls', () => {
  test('takes no server from another, whatever status comes of it', async () => {
    const statuses = [400, 401, 404, 422, 500, 503];
    const annotations = { readOnlyHint: true };
    const tools = statuses.map((status) => ({ name: `say${status}`, status, annotations, call: () => ({}) }));
    const server = simulator({ tools });
    const box = boxOf({ url: server.url });
    for (const status of statuses) {
      expect([status, (await call(box, `say${status}`)).state]).toEqual([status, 'unavailable']);
      expect(server.called(`say${status}`)).toBe(1);
      expect((await box.describe('globex', never)).servers[0]).toMatchObject({ status: 'online', reason: null });
      expect(await box.select('globex', ['docs/*'], never)).toHaveLength(tools.length);
    }
  });

  test('neither does an answer that is too large or never comes', async () => {
    const annotations = { readOnlyHint: true };
    const tools = [
      { name: 'large', annotations, call: () => ({ content: ['x'.repeat(2 * 1024 * 1024)] }) },
      { name: 'late', annotations, call: () => new Promise<never>(() => {}) },
    ];
    const box = boxOf({ url: simulator({ tools }).url }, { timeoutMs: 3_000 });
    for (const { name } of tools) {
      expect([name, (await call(box, name)).state]).toEqual([name, 'unavailable']);
      expect((await box.describe('globex', never)).servers[0]).toMatchObject({ status: 'online' });
    }
  });
});

describe('a list', () => {
  /** Greets, gives one page, and says nothing more. */
  function endless(): AsyncDisposable & { url: string } {
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      idleTimeout: 0,
      fetch: async (request) => {
        const { id, method, params } = (await request.json()) as { id?: number; method: string; params?: object };
        const reply = (result: object) => Response.json({ jsonrpc: '2.0', id, result });
        if (method === 'initialize') return reply({ protocolVersion: '2025-06-18', capabilities: { tools: {} } });
        if (id === undefined) return new Response(null, { status: 202 });
        return 'cursor' in (params ?? {}) ? await new Promise<never>(() => {}) : reply({ tools: [], nextCursor: 'x' });
      },
    });
    return { url: `http://127.0.0.1:${server.port}/mcp`, [Symbol.asyncDispose]: () => server.stop(true) };
  }

  test('has one deadline over all its pages', async () => {
    const box = boxOf({ url: use(endless()).url }, { timeoutMs: 300 });
    expect(await errorOf(box.select('acme', ['docs/*'], never))).toMatchObject({ isAway: true });
    const { servers } = await box.describe('acme', never);
    expect(servers[0]?.reason).toBe('the server did not list its tools within 0.3 s');
  });

  test('holds nobody who leaves', async () => {
    const box = boxOf({ url: use(endless()).url }, { timeoutMs: 300_000 });
    const leaving = new AbortController();
    const { signal } = leaving;
    const waiting = Promise.allSettled([
      box.select('acme', ['docs/*', 'docs/x'], signal),
      box.call({ whose: whose(), offered: planned('x'), args: {}, signal }),
    ]);
    const gone = new Error('gone');
    leaving.abort(gone);
    const rejected = { status: 'rejected', reason: gone } as const;
    expect(await waiting).toEqual([rejected, rejected]);
  });

  test('shows patterns that match none of its tools to the log, once', async () => {
    const warned: unknown[] = [];
    const log: Logger = { ...silentLogger, warn: (_, fields) => void warned.push(fields) };
    const clock = new FakeClock();
    const server = { url: simulator().url, allow: ['lookup', 'Erase'], block: ['BROKEN', 'delte*'] };
    const box = boxOf(server, {}, { log, clock: { ...systemClock, now: () => clock.now() } });
    await box.describe('acme', never);
    await clock.advance(300_001);
    await box.describe('acme', never);
    expect(warned).toEqual([{ server: 'docs', allow: ['Erase'], block: ['delte*'] }]);
  });
});
