import { afterEach, describe, expect, test } from 'bun:test';
import { talk, wait } from '../packages/kit/src/http/testing/talk.ts';
import { type Mesh, startMesh } from './harness/start-mesh.ts';

/** A server whose answers are written byte by byte here: for faults that no engine shows on purpose. */
type Scripted = { url: string; bodies: string[]; stop: () => void };
const opened: Array<AsyncDisposable | { stop: () => void }> = [];
afterEach(async () => {
  for (const thing of opened.splice(0).toReversed()) {
    if ('stop' in thing) thing.stop();
    else await thing[Symbol.asyncDispose]();
  }
});

type Say = { write: (text: string) => void; end: () => void };
function scripted(answer: (body: string, say: Say) => void, models = ['m']): Scripted {
  const list = JSON.stringify({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) });
  const bodies: string[] = [];
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data: (socket, bytes) => {
        const text = bytes.toString();
        const body = text.slice(text.indexOf('\r\n\r\n') + 4);
        if (text.startsWith('GET'))
          return void socket.write(
            `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${list.length}\r\n\r\n${list}`,
          );
        bodies.push(body);
        answer(body, { write: (out) => void socket.write(out), end: () => void socket.end() });
      },
    },
  });
  const server = { url: `http://127.0.0.1:${listener.port}/v1`, bodies, stop: () => listener.stop(true) };
  opened.push(server);
  return server;
}
async function meshOf(
  servers: Scripted[],
  settings: Parameters<typeof startMesh>[1] = {},
  maxConcurrent = 0,
): Promise<Mesh> {
  const mesh = await startMesh(
    servers.map(({ url }, i) => ({ name: `s${i}`, baseUrl: url, kind: 'openai' as const, maxConcurrent })),
    settings,
  );
  opened.push(mesh);
  return mesh;
}
const ask = (mesh: Mesh, body: object = {}) => mesh.post('/v1/chat/completions', { model: 'm', messages: [], ...body });
const sse = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n';
const json = (status: string, body: string) =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const ok = json('200 OK', '{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}');

describe('faults of endpoints', () => {
  test('a break in the middle of an event: the error event can be read', async () => {
    const mesh = await meshOf([
      scripted((_, say) => {
        say.write(`${sse}data: {"choices":[{"delta":{"content":"he`);
        setTimeout(() => say.end(), 50);
      }),
    ]);
    const text = await (await ask(mesh, { stream: true })).text();
    expect(text).toContain('"content":"he\n\ndata: {"error":');
    expect(JSON.parse(text.slice(text.lastIndexOf('data: ') + 6))).toMatchObject({
      error: { code: 'upstream_broken' },
    });
  });

  test('stream_options refused: asked once without, remembered only when that works, not at a client’s word', async () => {
    const server = scripted((body, say) => {
      if (body.includes('tool_choice'))
        return say.write(json('400 Bad Request', '{"error":"bad tool_choice stream_options"}'));
      if (body.includes('stream_options'))
        return say.write(json('400 Bad Request', '{"error":"unknown field stream_options"}'));
      say.write(`${sse}data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n`);
      say.end();
    });
    const mesh = await meshOf([server]);
    expect((await ask(mesh, { tool_choice: 'stream_options' })).status).toBe(400);
    expect((await ask(mesh, { tool_choice: 'stream_options', stream: true })).status).toBe(400);
    expect(mesh.endpoint('s0').refusesStreamOptions).toBe(false);
    expect(await (await ask(mesh, { stream: true })).text()).toContain('"x"');
    expect(mesh.endpoint('s0').refusesStreamOptions).toBe(true);
    const asked = server.bodies.length;
    await (await ask(mesh, { stream: true })).text();
    expect(server.bodies.length).toBe(asked + 1);
  });

  test('busy is waited for: 529, no slot available, server busy', async () => {
    for (const answer of [
      json('529 Overloaded', '{}'),
      json('503 Service Unavailable', '{"error":"no slot available"}'),
      json('503 Service Unavailable', '{"error":"server busy, please try again"}'),
    ]) {
      let times = 0;
      const mesh = await meshOf([scripted((_, say) => say.write(times++ === 0 ? answer : ok))]);
      expect((await ask(mesh)).status).toBe(200);
      expect(times).toBe(2);
    }
  }, 90_000);

  test('an alias bound to a busy endpoint does not hold up a model that others serve', async () => {
    const slow = scripted((_, say) => setTimeout(() => say.write(ok), 600));
    const fast = scripted((_, say) => say.write(ok));
    const mesh = await meshOf([slow, fast], { toml: '[models.pinned]\nmodel_id = "m"\nendpoints = ["s0"]' }, 1);
    const pinned = [1, 2].map(() => ask(mesh, { model: 'pinned' }));
    await Bun.sleep(100);
    const started = performance.now();
    expect((await ask(mesh)).status).toBe(200);
    expect(performance.now() - started).toBeLessThan(300);
    for (const response of await Promise.all(pinned)) expect(response.status).toBe(200);
  });

  test('a redirect is never followed, a model id that is no text is not listed', async () => {
    const mesh = await meshOf([
      scripted(
        (_, say) =>
          say.write('HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n'),
        ['m', '\ud800'],
      ),
    ]);
    const response = await ask(mesh);
    expect(response.status).toBe(502);
    expect(await response.text()).toContain('upstream_redirect');
    expect([...mesh.registry.models().keys()]).toEqual(['m']);
  });

  test("the operator's headers win over the client's, which pass only from the open list", async () => {
    let seen = '';
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        if (request.method === 'POST') seen = JSON.stringify([...request.headers]);
        return Response.json({ object: 'list', data: [{ id: 'm', object: 'model' }] });
      },
    });
    const mesh = await startMesh([
      {
        name: 's',
        baseUrl: `http://127.0.0.1:${server.port}/v1`,
        kind: 'openai',
        apiKey: 'engine-key',
        headers: { 'OpenAI-Organization': 'operator' },
      },
    ]);
    opened.push(mesh, { stop: () => void server.stop(true) });
    const headers = {
      'openai-organization': 'client',
      'x-forwarded-for': '1.2.3.4',
      cookie: 'a=b',
      'x-labmesh-session': 's',
      traceparent: '00-1',
      'x-request-id': 'my.id-1',
    };
    const response = await mesh.post('/v1/chat/completions', { model: 'm' }, { headers });
    expect(response.headers.get('x-request-id')).toBe('my.id-1');
    const received = new Map(JSON.parse(seen) as Array<[string, string]>);
    expect(received.get('openai-organization')).toBe('operator');
    expect(received.get('authorization')).toBe('Bearer engine-key');
    expect(received.get('traceparent')).toBe('00-1');
    expect(received.get('x-request-id')).toBe('my.id-1');
    for (const name of ['x-forwarded-for', 'cookie', 'x-labmesh-session', 'x-api-key'])
      expect(received.has(name)).toBe(false);
    expect(mesh.logged()).not.toContain('engine-key');
  });
});

describe('the end of a drain', () => {
  for (const http of ['raw', 'serve'] as const) {
    test(`streams and waiters are told, in-band where a comment went out (${http})`, async () => {
      const mesh = await meshOf(
        [scripted((_, say) => say.write(`${sse}data: {"choices":[{"delta":{"content":"x"}}]}\n\n`))],
        { engine: http, toml: '[keepalive]\nafter_s = 0.1' },
        1,
      );
      const streaming = ask(mesh, { stream: true }).then((response) => response.text());
      await Bun.sleep(50);
      const queued = ask(mesh, { stream: true }).then((response) => response.text());
      await Bun.sleep(300);
      expect(await mesh.gateway.drain(200)).toBe(2);
      for (const text of await Promise.all([streaming, queued]))
        expect(text).toContain('"code":"server_shutting_down"');
      expect(await queued).toStartWith(': queued 1\n\n');
    });

    test(`a client that takes nothing is cut and frees its endpoint (${http})`, async () => {
      const filler = `data: ${'x'.repeat(60_000)}\n\n`;
      const flood = scripted((_, say) => {
        say.write(sse);
        const timer = setInterval(() => say.write(filler), 1);
        setTimeout(() => clearInterval(timer), 4_000);
      });
      const mesh = await meshOf([flood], { engine: http, toml: '[gateway]\nclient_stall_s = 0.4' });
      const body = JSON.stringify({ model: 'm', stream: true });
      const client = await talk(mesh.gateway.port);
      client.pause();
      client.send(
        `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${mesh.key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await wait(() => mesh.endpoint('s0').own === 1);
      await wait(() => mesh.endpoint('s0').own === 0, 4_000);
      client.end();
    });
  }
});
