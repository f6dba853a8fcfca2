import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import { FakeClock, systemClock } from '@labmesh/kit/clock';
import fc from 'fast-check';
import { McpSimulator, type McpSimulatorOptions } from '../../../../../tests/simulators/mcp/mcp-simulator.ts';
import type { OfferedTool } from '../../contract/offered-tool.ts';
import { argumentsDigest, readArguments } from './check-arguments.ts';
import { ownedByTest } from '../testing/owned-by-test.ts';
import { openTools, type TestServer } from '../testing/open-tools.ts';
import type { ToolBox } from './tool-box.ts';
import { ToolCache, toolKey } from './tool-cache.ts';
import { offeredName } from './served-tool.ts';

const never = new AbortController().signal;
const use = ownedByTest();
const simulator = (options: McpSimulatorOptions = {}) => use(new McpSimulator(options));
const boxOf = (servers: readonly TestServer[], ...more: unknown[]) =>
  use(openTools(servers, ...(more as [Parameters<typeof openTools>[1]])));
const whose = (tenant = 'acme') => ({ tenant, priority: 'normal' as const });
async function lookupOf(box: ToolBox): Promise<OfferedTool> {
  const [tool] = await box.select('acme', ['docs/lookup'], never);
  if (tool === undefined) throw new Error('no tool');
  return tool;
}
const text = (value: string) => ({ content: [{ type: 'text', text: value }] });

describe('what a request is offered', () => {
  test('tools that only read; others by name of the operator alone, and never what is blocked', async () => {
    const { url } = simulator();
    const names = async (server: Partial<TestServer>) =>
      (await boxOf([{ url, ...server }]).select('acme', ['docs/*'], never)).map(({ tool }) => tool);
    expect(await names({})).toEqual(['lookup', 'broken']);
    expect(await names({ allow: ['er*'] })).toEqual(['lookup', 'erase', 'broken']);
    expect(await thrower(names({ allow: ['*'], block: ['*o*', 'erase'] }))).toThrow('no tool of docs may be called');
    const box = boxOf([{ url, allow: ['*'], block: ['er*'] }]);
    expect(await thrower(box.select('acme', ['docs/erase'], never))).toThrow('is never called: it is on the list');
    expect(box.blocked('acme', 'docs__erase')).toBe('docs/erase');
    expect(box.blocked('acme', 'docs__lookup')).toBeUndefined();
    const erase = { ...(await lookupOf(box)), tool: 'erase', parameters: {} };
    expect(await box.call({ whose: whose(), offered: erase, args: {}, signal: never })).toMatchObject({
      state: 'blocked',
    });
  });

  test('names that are none say so, with the nearest; a server that is away is no fault of the request', async () => {
    const server = simulator();
    const box = boxOf([{ url: server.url }, { url: 'http://127.0.0.1:9/mcp', name: 'away' }]);
    for (const [selector, why] of [
      ['dosc/x', 'did you mean'],
      ['docs/lokup', 'lookup'],
      ['docs/erase', 'may have effects'],
    ] as const) {
      expect(await errorOf(box.select('acme', [selector], never))).toMatchObject({
        isAway: false,
        message: expect.stringContaining(why),
      });
    }
    expect(await errorOf(box.select('acme', ['away/*'], never))).toMatchObject({ isAway: true });
    const { servers } = await box.describe('acme', never);
    expect(servers.map(({ name, status, reason }) => [name, status, reason])).toEqual([
      ['docs', 'online', null],
      ['away', 'offline', 'the server cannot be reached'],
    ]);
  });

  test('a server that failed is asked again after a moment, and is online when it is back', async () => {
    const clock = new FakeClock();
    const server = simulator();
    const { port } = server;
    const box = use(openTools([{ url: server.url }], {}, { clock: { ...systemClock, now: () => clock.now() } }));
    const offered = await lookupOf(box);
    const state = async () => (await box.describe('acme', never)).servers[0]?.status;
    const call = () => box.call({ whose: whose(), offered, args: { word: 'a' }, signal: never });
    await server[Symbol.asyncDispose]();
    expect([(await call()).state, await state()]).toEqual(['unavailable', 'offline']);
    const again = simulator({ port });
    expect(await state()).toBe('offline');
    await clock.advance(5_001);
    expect([await state(), (await call()).state, again.called('lookup')]).toEqual(['online', 'ok', 1]);
  });

  test('a server is there for its tenants alone', async () => {
    const { url } = simulator();
    const box = boxOf([{ url, tenants: ['globex'] }]);
    expect(await thrower(box.select('acme', ['docs/*'], never))).toThrow('there is no tool server docs');
    expect((await box.describe('acme', never)).servers).toEqual([]);
    expect(box.blocked('acme', 'docs__erase')).toBeUndefined();
    const [tool] = await box.select('globex', ['docs/lookup'], never);
    const args = { word: 'a' };
    const call = (tenant: string) =>
      box.call({ whose: whose(tenant), offered: tool as OfferedTool, args, signal: never });
    expect(await call('globex')).toMatchObject({ state: 'ok' });
    expect(await call('acme')).toMatchObject({ state: 'unavailable' });
  });

  test('a schema that cannot be used makes a tool that is never called; many are too many', async () => {
    const annotations = { readOnlyHint: true };
    const inputSchema = { type: 'object', properties: { a: { $ref: 'http://127.0.0.1:1/x' } } };
    const box = boxOf([{ url: simulator({ tools: [{ name: 'far', annotations, inputSchema }] }).url }]);
    expect(await thrower(box.select('acme', ['docs/far'], never))).toThrow('cannot be used');
    const many = Array.from({ length: 70 }, (_, at) => ({ name: `t${at}`, annotations }));
    expect(await thrower(boxOf([{ url: simulator({ tools: many }).url }]).select('acme', ['docs/*'], never))).toThrow(
      'at most 64',
    );
  });

  test('names are what chat APIs take, and differ where tools do', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Za-z0-9_./-]{1,128}$/),
        fc.stringMatching(/^[A-Za-z0-9_./-]{1,128}$/),
        (a, b) => {
          expect(offeredName('docs', a)).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
          expect(offeredName('docs', a) === offeredName('docs', b)).toBe(a === b);
        },
      ),
    );
  });
});

describe('a call', () => {
  test('successes are kept for equal arguments of one tenant, as long as they are told to be', async () => {
    const server = simulator();
    const clock = new FakeClock();
    const box = use(
      openTools([{ url: server.url }], { cacheMs: 600_000 }, { clock: { ...systemClock, now: () => clock.now() } }),
    );
    const offered = await lookupOf(box);
    const call = (word: string, tenant = 'acme') =>
      box.call({ whose: whose(tenant), offered, args: { word }, signal: never });
    expect(await call('a')).toEqual({ state: 'ok', text: 'a means 42', cached: false });
    expect(await call('a')).toEqual({ state: 'ok', text: 'a means 42', cached: true });
    expect(await call('b')).toMatchObject({ cached: false });
    expect(await call('a', 'globex')).toMatchObject({ cached: false });
    expect(server.called('lookup')).toBe(3);
    await clock.advance(600_001);
    expect(await call('a')).toMatchObject({ cached: false });
    expect(box.counts).toEqual([{ server: 'docs', calls: 5, cached: 1, failed: 0 }]);
  });

  test('an error is told and never kept; neither is what did not fit the schema, which goes nowhere', async () => {
    const server = simulator();
    const box = boxOf([{ url: server.url }]);
    const [broken] = await box.select('acme', ['docs/broken'], never);
    const lookup = await lookupOf(box);
    const call = (offered: OfferedTool, args: Record<string, unknown>) =>
      box.call({ whose: whose(), offered, args, signal: never });
    for (let times = 0; times < 2; times++) {
      expect(await call(broken as OfferedTool, {})).toEqual({ state: 'error', text: 'no such page', cached: false });
    }
    expect(server.called('broken')).toBe(2);
    for (const args of [{}, { word: 1 }, { word: 'x'.repeat(21) }, { word: 'a', more: 1 }]) {
      expect(await call(lookup, args)).toMatchObject({ state: 'bad_arguments' });
    }
    expect(server.called('lookup')).toBe(0);
  });

  test('without an executor nothing is called unchecked', async () => {
    const server = simulator();
    const runner = { run: () => Promise.reject(new Error('away')), levels: () => Promise.resolve([]) };
    const box = use(openTools([{ url: server.url }], {}, { runner }));
    const answer = await box.call({ whose: whose(), offered: await lookupOf(box), args: { word: 'a' }, signal: never });
    expect(answer).toMatchObject({ state: 'unavailable', text: expect.stringContaining('EXECUTOR_UNAVAILABLE') });
    expect(server.called('lookup')).toBe(0);
  });

  test('equal calls at the same moment are one, which ends when nobody waits any more', async () => {
    const open = Promise.withResolvers<void>();
    let [begun, ended] = [0, 0];
    const slow = { name: 'slow', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } };
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      idleTimeout: 0,
      fetch: async (request) => {
        const { id, method } = (await request.json()) as { id?: number; method: string };
        const reply = (result: object) => Response.json({ jsonrpc: '2.0', id, result });
        if (method === 'initialize') return reply({ protocolVersion: '2025-06-18', capabilities: { tools: {} } });
        if (id === undefined) return new Response(null, { status: 202 });
        if (method === 'tools/list') return reply({ tools: [slow] });
        begun += 1;
        request.signal.addEventListener('abort', () => (ended += 1));
        await open.promise;
        return reply(text('done'));
      },
    });
    const box = use(openTools([{ url: `http://127.0.0.1:${server.port}/mcp` }], { timeoutMs: 60_000, atOnce: 1 }));
    const offered = { server: 'docs', tool: 'slow', offeredAs: 'docs__slow', description: '', parameters: {} };
    const call = (args: object, signal = never) => box.call({ whose: whose(), offered, args: { ...args }, signal });
    const leaving = [new AbortController(), new AbortController()];
    const left = leaving.map(({ signal }) => call({ a: 1 }, signal).catch((error: unknown) => error));
    while (begun < 1) await Bun.sleep(5);
    // A place is taken: another call waits for it.
    const waiting = call({ a: 2 });
    while (box.stats.waiting < 1) await Bun.sleep(5);
    expect(box.stats).toMatchObject({ running: 1, waiting: 1 });
    leaving[0]?.abort(new Error('gone'));
    expect(String(await left[0])).toContain('gone');
    expect([begun, ended]).toEqual([1, 0]);
    leaving[1]?.abort(new Error('gone too'));
    expect(String(await left[1])).toContain('gone too');
    while (begun < 2 || ended < 1) await Bun.sleep(5);
    const equal = call({ a: 2 });
    open.resolve();
    expect([await waiting, await equal].map(({ text: said, cached }) => [said, cached])).toEqual([
      ['done', false],
      ['done', true],
    ]);
    expect(begun).toBe(2);
    expect(box.stats).toMatchObject({ running: 0, waiting: 0, entries: 1 });
    await server.stop(true);
  });
});

test('arguments are a JSON object of bounded size, and any text is read or refused', () => {
  expect(readArguments('{"b":1,"a":2}')).toEqual(readArguments('{"a":2,"b":1}'));
  expect(readArguments('')).toMatchObject({ args: {} });
  for (const bad of [
    '[]',
    '1',
    'x',
    '{"a":1,"a":2}',
    '{"a":"\\ud800"}',
    `{"a":"${'x'.repeat(40_000)}"}`,
    `{"a":${'['.repeat(99)}`,
  ]) {
    expect(readArguments(bad)).toHaveProperty('problem');
  }
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (given) => {
      const read = readArguments(given);
      expect('problem' in read || /^[0-9a-f]{64}$/.test(argumentsDigest('run', read.canonical))).toBe(true);
    }),
  );
});

test('a digest of arguments tells calls of a run apart, and of other runs nothing', () => {
  const digest = (run: string, given: string) => {
    const read = readArguments(given);
    return 'problem' in read ? read.problem : argumentsDigest(run, read.canonical);
  };
  const one = digest('run-1', '{"b":1,"a":2}');
  expect(digest('run-1', '{"a":2,"b":1}')).toBe(one);
  const others = [
    digest('run-2', '{"a":2,"b":1}'),
    digest('run-1', '{"a":2}'),
    sha256Hex(canonicalBytes({ a: 2, b: 1 })),
  ];
  expect(others).not.toContain(one);
});

test('the cache forgets what is old, and what was used longest ago; keys are of one tenant and tool', () => {
  const clock = new FakeClock();
  const cache = new ToolCache({ entriesMost: 2, ttlMs: 1_000, bytesMost: 20 }, clock);
  cache.put('a', 'aa');
  cache.put('b', 'bb');
  expect(cache.get('a')).toBe('aa');
  cache.put('c', 'cc');
  expect(['a', 'b', 'c'].map((key) => cache.get(key))).toEqual(['aa', undefined, 'cc']);
  cache.put('d', 'd'.repeat(9));
  expect(['a', 'c', 'd'].map((key) => cache.get(key))).toEqual([undefined, undefined, 'd'.repeat(9)]);
  cache.put('e', 'e'.repeat(11));
  expect([cache.get('e'), cache.size]).toEqual([undefined, 1]);
  const call = { tenant: 'acme', tool: 'docs/lookup', args: { a: 1, b: 2 } };
  expect(toolKey({ ...call, args: { b: 2, a: 1 } })).toBe(toolKey(call));
  for (const other of [{ tenant: 'globex' }, { tool: 'docs/other' }, { args: { a: 1 } }]) {
    expect(toolKey({ ...call, ...other })).not.toBe(toolKey(call));
  }
});
