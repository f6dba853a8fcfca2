import { describe, expect, test } from 'bun:test';
import { HttpPool } from '@labmesh/kit/http/client';
import fc from 'fast-check';
import {
  McpSimulator,
  type McpSimulatorOptions,
  usualTools,
} from '../../../../../tests/simulators/mcp/mcp-simulator.ts';
import { ownedByTest } from '../testing/owned-by-test.ts';
import { McpClient } from './mcp-client.ts';
import { answerBytesMost } from './mcp-exchange.ts';
import { McpFault } from './mcp-fault.ts';
import { readMessages } from './mcp-message.ts';

const never = new AbortController().signal;
const use = ownedByTest();

function clientOf(url: string, { token, timeoutMs = 10_000 }: { token?: string; timeoutMs?: number } = {}): McpClient {
  const { hostname: host, port, pathname: path } = new URL(url);
  const place = { pool: use(new HttpPool()), origin: { host, port: Number(port), tls: false }, path };
  return use(new McpClient({ place, token, timeoutMs }));
}
const simulator = (options: McpSimulatorOptions = {}) => use(new McpSimulator(options));
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof McpFault ? error.code : String(error)),
  );

describe('a session', () => {
  test.each(['json', 'events'] as const)('is opened once, and given back; answers as %s', async (answers) => {
    const server = simulator({ answers, token: 'a-long-secret', page: 1 });
    const client = clientOf(server.url, { token: 'a-long-secret' });
    const [tools, again] = await Promise.all([client.list(never), client.list(never)]);
    expect(tools.map(({ name }) => name)).toEqual(usualTools.map(({ name }) => name));
    expect(again).toEqual(tools);
    expect(await client.call('lookup', { word: 'it' }, never)).toMatchObject({ content: [{ text: 'it means 42' }] });
    expect(server.heard.filter((one) => one === 'initialize')).toHaveLength(1);
    expect(server.heard[1]).toBe('notifications/initialized');
    expect(server.sessions).toBe(1);
    await client[Symbol.asyncDispose]();
    expect(server.sessions).toBe(0);
    expect(await codeOf(client.list(never))).toBe('unreachable');
  });

  test.each([404, 400])('that the server forgot is opened again for a list, once (%d)', async (goneStatus) => {
    const server = simulator({ goneStatus });
    const client = clientOf(server.url);
    await client.list(never);
    server.forget();
    expect(await client.list(never)).toHaveLength(3);
    expect(server.heard.filter((one) => one === 'initialize')).toHaveLength(2);
  });

  test.each([
    [404, 'ok', 1],
    // It may be the word of the tool, so this call is given up; the next one has another session.
    [400, 'bad_request', 0],
  ] as const)('that the server forgot: a call that was never heard (%d)', async (goneStatus, code, called) => {
    const server = simulator({ goneStatus });
    const client = clientOf(server.url);
    await client.list(never);
    server.forget();
    expect(await codeOf(client.call('lookup', { word: 'a' }, never))).toBe(code);
    expect(server.called('lookup')).toBe(called);
    expect(await codeOf(client.call('lookup', { word: 'b' }, never))).toBe('ok');
    expect(server.called('lookup')).toBe(called + 1);
    expect(server.heard.filter((one) => one === 'initialize')).toHaveLength(2);
  });

  test.each([
    [404, 'session_gone'],
    [400, 'bad_request'],
  ] as const)(
    'a tool that ran and says %d is not called twice, and its session is given back',
    async (status, code) => {
      const server = simulator({ tools: [{ name: 'once', status, call: () => ({}) }] });
      const client = clientOf(server.url);
      expect(await codeOf(client.call('once', {}, never))).toBe(code);
      expect(server.called('once')).toBe(1);
      while (server.sessions > 0) await Bun.sleep(5);
      await client.list(never);
      expect([server.called('once'), server.sessions]).toEqual([1, 1]);
    },
  );

  test('one that a call brought down is given back when the others in it have ended', async () => {
    const open = Promise.withResolvers<object>();
    const tools = [
      { name: 'slow', call: () => open.promise },
      { name: 'bad', status: 400, call: () => ({}) },
    ];
    const server = simulator({ tools });
    const client = clientOf(server.url, { timeoutMs: 60_000 });
    const slow = codeOf(client.call('slow', {}, never));
    while (server.called('slow') === 0) await Bun.sleep(5);
    expect(await codeOf(client.call('bad', {}, never))).toBe('bad_request');
    await client.list(never);
    expect(server.sessions).toBe(2);
    open.resolve({});
    expect(await slow).toBe('ok');
    while (server.sessions > 1) await Bun.sleep(5);
    expect(server.called('slow')).toBe(1);
  });

  test('whoever waits for one to be opened leaves when told to', async () => {
    const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Promise<Response>(() => {}) });
    const client = clientOf(`http://127.0.0.1:${server.port}/mcp`, { timeoutMs: 60_000 });
    const leaving = new AbortController();
    const asked = [client.open(leaving.signal), client.list(leaving.signal), client.call('x', {}, leaving.signal)];
    leaving.abort(new Error('gone'));
    expect(await Promise.all(asked.map(codeOf))).toEqual(asked.map(() => 'Error: gone'));
    await client[Symbol.asyncDispose]();
    await server.stop(true);
  });

  test('a question of the server is answered', async () => {
    const server = simulator({ answers: 'events' });
    const client = clientOf(server.url);
    await client.call('lookup', { word: 'a' }, never);
    while (!server.heard.includes('response')) await Bun.sleep(5);
  });
});

describe('a server that is none, or refuses', () => {
  test('wrong secret, no such tool, a tool that throws', async () => {
    const server = simulator({ token: 'a-long-secret' });
    expect(await codeOf(clientOf(server.url, { token: 'another-one' }).list(never))).toBe('refused');
    const client = clientOf(server.url, { token: 'a-long-secret' });
    expect(await codeOf(client.call('nothing', {}, never))).toBe('rpc_error');
    expect(await codeOf(clientOf(server.url.replace('/mcp', '/x'), { token: 'a-long-secret' }).list(never))).toBe(
      'session_gone',
    );
  });

  test('nobody there; a redirect is not followed; no end; too much; too late', async () => {
    const target = simulator();
    const answers: Record<string, () => Response> = {
      '/redirect': () => Response.redirect(target.url, 307),
      '/page': () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
      '/half': () => new Response('{"jsonrpc"', { headers: { 'content-type': 'application/json' } }),
      '/silent': () => new Response('', { headers: { 'content-type': 'text/event-stream' } }),
      '/deep': () => new Response('['.repeat(100_000), { headers: { 'content-type': 'application/json' } }),
      '/large': () =>
        new Response('x'.repeat(answerBytesMost + 1), { headers: { 'content-type': 'application/json' } }),
      '/endless': () => new Response(new ReadableStream(), { headers: { 'content-type': 'text/event-stream' } }),
      '/old': () =>
        Response.json({ jsonrpc: '2.0', id: 1, result: { protocolVersion: '1999-01-01', capabilities: {} } }),
    };
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: (request) => answers[new URL(request.url).pathname]?.() ?? new Response(null, { status: 500 }),
    });
    const at = (path: string, timeoutMs?: number) =>
      codeOf(
        clientOf(`http://127.0.0.1:${server.port}${path}`, timeoutMs === undefined ? {} : { timeoutMs }).list(never),
      );
    const wanted = {
      '/redirect': 'refused',
      '/page': 'bad_answer',
      '/half': 'bad_answer',
      '/silent': 'bad_answer',
      '/deep': 'bad_answer',
      '/large': 'too_large',
      '/old': 'version',
      '/none': 'refused',
    };
    for (const [path, code] of Object.entries(wanted)) expect([path, await at(path)]).toEqual([path, code]);
    expect(await at('/endless', 100)).toBe('timeout');
    expect(target.heard).toEqual([]);
    await server.stop(true);
    expect(await at('/page')).toBe('unreachable');
    // A connection that was made and ends may be the doing of what was asked.
    const closing = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: (socket) => void socket.end() } });
    expect(await codeOf(clientOf(`http://127.0.0.1:${closing.port}/mcp`).list(never))).toBe('bad_answer');
    closing.stop(true);
  });

  test('whoever leaves leaves with the reason', async () => {
    const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Promise<Response>(() => {}) });
    const client = clientOf(`http://127.0.0.1:${server.port}/mcp`);
    const calling = codeOf(client.call('lookup', {}, never));
    await client[Symbol.asyncDispose]();
    expect(await calling).toBe('unreachable');
    await server.stop(true);
  });

  test('any bytes end in a result or a fault of the table', async () => {
    let body = '';
    let type = 'application/json';
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: () => new Response(body, { headers: { 'content-type': type } }),
    });
    const member = fc.constantFrom('id', 'result', 'error', 'method', 'jsonrpc', 'content', 'tools', '__proto__');
    const message = fc
      .tuple(fc.dictionary(member, fc.jsonValue()), fc.boolean())
      .map(([value, isRpc]) => JSON.stringify(isRpc ? { jsonrpc: '2.0', id: 1, ...value } : value));
    const event = fc.oneof(
      message.map((text) => `data: ${text}\n\n`),
      fc.string(),
      fc.constant(': ping\n\n'),
    );
    const answer = fc.oneof(
      fc.tuple(fc.constant('application/json'), fc.oneof(message, fc.string(), fc.json())),
      fc.tuple(
        fc.constant('text/event-stream'),
        fc.array(event, { maxLength: 5 }).map((all) => all.join('')),
      ),
    );
    await fc.assert(
      fc.asyncProperty(answer, async ([kind, text]) => {
        [type, body] = [kind, text];
        const code = await codeOf(clientOf(`http://127.0.0.1:${server.port}/`, { timeoutMs: 30_000 }).list(never));
        expect(code).toMatch(/^(ok|bad_answer|rpc_error|too_large|version)$/);
      }),
      { numRuns: 100 },
    );
    await server.stop(true);
  });
});

test('messages are read strictly, and no text makes the reader throw anything but a fault', () => {
  expect(readMessages('{"jsonrpc":"2.0","id":1,"result":{}}')).toEqual([{ jsonrpc: '2.0', id: 1, result: {} }]);
  expect(readMessages('[{"jsonrpc":"2.0","method":"x"}]')).toHaveLength(1);
  for (const text of ['', '1', '{"id":1,"result":{}}', '[1]', '{"jsonrpc":"2.0"}', `[${'{},'.repeat(70)}{}]`]) {
    expect(() => readMessages(text)).toThrow(McpFault);
  }
  const [error] = readMessages(
    JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: 1, message: `a\nb${'x'.repeat(9_999)}` } }),
  );
  // Whole: what is cut here could not be masked any more.
  expect(error).toMatchObject({ error: { message: `a\nb${'x'.repeat(9_999)}` } });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map((value) => JSON.stringify([value])),
      ),
      (text) => {
        try {
          readMessages(text);
        } catch (fault) {
          expect(fault).toBeInstanceOf(McpFault);
        }
      },
    ),
  );
});
