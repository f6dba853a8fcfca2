import { afterEach, describe, expect, test } from 'bun:test';
import { talk, wait } from '../packages/kit/src/http/testing/talk.ts';
import { type Mesh, startMesh } from './harness/start-mesh.ts';
import type { EngineOptions, EngineSimulator } from './simulators/engines/engine-simulator.ts';
import { type SimulatedKind, startEngine } from './simulators/engines/start-engine.ts';

const messages = [{ role: 'user', content: 'hi' }];
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
});

async function engineOf(kind: SimulatedKind, options: EngineOptions = {}): Promise<EngineSimulator> {
  const engine = await startEngine({ kind, models: ['m'], ...options });
  opened.push(engine);
  return engine;
}
async function meshOf(
  engines: EngineSimulator[],
  settings: Parameters<typeof startMesh>[1] = {},
  maxConcurrent = 0,
): Promise<Mesh> {
  const mesh = await startMesh(
    engines.map((engine, i) => ({ name: `${engine.kind}-${i}`, baseUrl: engine.url, maxConcurrent })),
    settings,
  );
  opened.push(mesh);
  return mesh;
}
const chat = (mesh: Mesh, body: object = {}, init: RequestInit = {}) =>
  mesh.post('/v1/chat/completions', { model: 'm', messages, ...body }, init);
const usageOf = async (mesh: Mesh) => {
  const response = await fetch(`${mesh.gateway.api.replace('/v1', '')}/admin/usage?by=key`, {
    headers: { authorization: `Bearer ${mesh.gateway.adminToken}` },
  });
  return (
    (await response.json()) as {
      usage: Array<{
        requests: number;
        promptTokens: number;
        completionTokens: number;
        errors: number;
        estimated: number;
      }>;
    }
  ).usage[0];
};

for (const http of ['raw', 'serve'] as const) {
  describe(`relay (${http})`, () => {
    test('unknown fields pass both ways, bytes of tools, reasoning and logprobs included', async () => {
      const engine = await engineOf('vllm');
      const mesh = await meshOf([engine], { engine: http, toml: '[models.alias]\nmodel_id = "m"' });
      const deltas = [
        { reasoning: 'denk é🦙' },
        { reasoning_content: 'x' },
        { tool_calls: [{ function: { name: 'f', arguments: '{"a":1.0,"b":9007199254740993}' } }] },
      ];
      const chunk = { x_vendor: { deep: [1, null] }, logprobs_seen: true };
      const body = `{"model":"alias","messages":[],"seed":9007199254740993,"temperature":1.0,"stream":STREAM,"x_sim":${JSON.stringify({ deltas, chunk, message: { reasoning: 'é', tool_calls: deltas[2]?.tool_calls } })}}`;
      for (const stream of ['true', 'false']) {
        const sent = body.replace('STREAM', stream);
        const throughUs = await (await mesh.post('/v1/chat/completions', sent)).text();
        const direct = await (
          await fetch(`${engine.url}/v1/chat/completions`, {
            method: 'POST',
            body: sent.replace('"alias"', '"m"'),
            headers: { 'x-request-id': 'direct' },
          })
        ).text();
        const steady = (text: string) => text.replaceAll(/"(id|created)":("[^"]*"|\d+)/g, '');
        expect(steady(throughUs)).toBe(steady(direct));
        const received = engine.requests.findLast(
          (request) => request.headers['x-request-id'] !== 'direct' && request.path === '/v1/chat/completions',
        );
        const asked = stream === 'true' ? `${sent.slice(0, -1)},"stream_options":{"include_usage":true}}` : sent;
        expect(received?.body).toBe(asked.replace('"alias"', '"m"'));
        expect(received?.headers['authorization']).toBeUndefined();
      }
    });

    test('stream usage is always collected, and stripped when nobody asked', async () => {
      const engine = await engineOf('llamacpp');
      const mesh = await meshOf([engine], { engine: http });
      const quiet = await (await chat(mesh, { stream: true })).text();
      expect(quiet).not.toContain('"usage":{');
      expect(quiet).toEndWith('data: [DONE]\n\n');
      const asked = await (await chat(mesh, { stream: true, stream_options: { include_usage: true } })).text();
      expect(asked).toContain('"usage":{');
      await (await chat(mesh)).text();
      await wait(() => engine.generated === 3);
      const used = await usageOf(mesh);
      expect(used?.requests).toBe(3);
      expect(used?.completionTokens).toBe(24);
      expect(used?.promptTokens).toBeGreaterThan(0);
      expect(used?.estimated).toBe(0);
    });

    test('an abort closes the upstream request within 100 ms: before and after the first byte, stream or not, queued', async () => {
      const engine = await engineOf('vllm', { prefillMs: 300, tokens: 500, tokenDelayMs: 10 });
      const mesh = await meshOf([engine], { engine: http }, 4);
      for (const [stream, afterMs] of [
        [false, 100],
        [true, 100],
        [true, 500],
        [false, 600],
      ] as const) {
        const before = engine.aborted;
        const client = new AbortController();
        const request = chat(mesh, { stream }, { signal: client.signal }).then((response) => response.text());
        await Bun.sleep(afterMs);
        const left = performance.now();
        client.abort();
        await request.catch(() => {});
        await wait(() => engine.aborted === before + 1);
        expect(performance.now() - left).toBeLessThan(100);
      }
      await wait(() => mesh.endpoint('vllm-0').own === 0);
      // Queued: the engine never hears of it.
      const running = [1, 2, 3, 4].map(() =>
        chat(mesh, { stream: true, max_tokens: 30 }).then((response) => response.text()),
      );
      await Bun.sleep(50);
      const heard = engine.requests.length;
      const client = new AbortController();
      const queued = chat(mesh, {}, { signal: client.signal });
      await Bun.sleep(50);
      client.abort();
      await queued.catch(() => {});
      await Promise.all(running);
      expect(
        engine.requests.filter((request) => request.path === '/v1/chat/completions').length - heard,
      ).toBeLessThanOrEqual(0);
      await wait(() => mesh.endpoint('vllm-0').own === 0 && mesh.gateway.inFlight === 0);
    });

    test('an endpoint that dies mid-stream gives an error event, never a silent end', async () => {
      const engine = await engineOf('vllm', { faults: { breakAfterEvents: 3 } });
      const mesh = await meshOf([engine], { engine: http });
      const text = await (await chat(mesh, { stream: true })).text();
      const events = text.trim().split('\n\n');
      expect(JSON.parse(events.at(-1)?.slice('data: '.length) ?? '')).toMatchObject({
        error: { code: 'upstream_broken', type: 'api_error' },
      });
      expect(text).not.toContain('[DONE]');
      expect((await usageOf(mesh))?.errors).toBe(1);
    });

    test('before the first byte another endpoint is tried: cut, garbage, 500, 503, 429', async () => {
      for (const faults of [
        { cutBeforeHead: true },
        { garbageHead: true },
        { generateStatus: 500 },
        { generateStatus: 503 },
        { generateStatus: 429 },
        { generateStatus: 401 },
      ]) {
        const bad = await engineOf('vllm');
        const good = await engineOf('sglang');
        const mesh = await meshOf([bad, good], { engine: http });
        bad.faults = faults;
        for (const stream of [true, false]) {
          const responses = await Promise.all([1, 2, 3, 4].map(() => chat(mesh, { stream })));
          for (const response of responses) {
            expect(response.status).toBe(200);
            expect(await response.text()).toContain('tok7');
          }
        }
        expect(good.generated).toBe(8);
      }
    });

    test('a stream that waits gets comments: prefill, loading, queued', async () => {
      const engine = await engineOf('llamacpp', { prefillMs: 700, slots: 1 });
      const mesh = await meshOf([engine], { engine: http, toml: '[keepalive]\nafter_s = 0.2\nevery_s = 0.2' }, 1);
      const first = chat(mesh, { stream: true }).then((response) => response.text());
      await Bun.sleep(50);
      const second = await (await chat(mesh, { stream: true })).text();
      expect(second).toContain(': queued 1\n\n');
      expect(second).toContain(': prefill\n\n');
      expect(second).toContain('tok7');
      expect(await first).toStartWith(': prefill\n\n');
      engine.faults = { loading: true };
      setTimeout(() => (engine.faults = {}), 600);
      const loading = await (await chat(mesh, { stream: true })).text();
      expect(loading).toContain(': loading\n\n');
      expect(loading).toContain('tok7');
    });

    test('a slow client never grows memory', async () => {
      const filler = 'data: {"choices":[{"delta":{"content":"'.padEnd(64 * 1024, 'x') + '"}}]}\n\n';
      let sent = 0;
      const source = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        idleTimeout: 60,
        fetch: (request) => {
          if (request.method === 'GET') return Response.json({ object: 'list', data: [{ id: 'm', object: 'model' }] });
          sent = 0;
          const stream = new ReadableStream({
            pull: async (controller) => {
              if (sent >= 3_000) return controller.close();
              sent++;
              controller.enqueue(Buffer.from(filler));
              await Bun.sleep(0);
            },
          });
          return new Response(stream, { headers: { 'content-type': 'text/event-stream' } });
        },
      });
      const mesh = await startMesh([{ name: 'flood', baseUrl: `http://127.0.0.1:${source.port}/v1`, kind: 'openai' }], {
        engine: http,
      });
      opened.push(mesh);
      const body = JSON.stringify({ model: 'm', stream: true });
      const before = process.memoryUsage.rss();
      const client = await talk(mesh.gateway.port);
      client.pause();
      client.send(
        `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${mesh.key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await Bun.sleep(700);
      const held = sent;
      await Bun.sleep(300);
      // The source is stopped by backpressure, far from its 190 MB.
      expect(sent).toBe(held);
      expect(sent).toBeLessThan(800);
      const grown = (process.memoryUsage.rss() - before) / 1024 / 1024;
      console.log(
        `  slow client: RSS +${grown.toFixed(1)} MB with ${((held * 64) / 1024).toFixed(0)} MB taken from the source`,
      );
      expect(grown).toBeLessThan(100);
      client.end();
      await wait(() => mesh.endpoint('flood').own === 0);
      await source.stop(true);
    });
  });
}

test('five engines in one registry, one killed and revived under load: no request fails', async () => {
  const kinds = ['ollama', 'vllm', 'sglang', 'llamacpp', 'lmstudio'] as const;
  const engines = await Promise.all(kinds.map((kind) => engineOf(kind, { tokenDelayMs: 1, slots: 8 })));
  const mesh = await meshOf(engines);
  expect(engines.map((_, i) => mesh.registry.endpoints[i]?.kind)).toEqual([...kinds]);
  const bad: string[] = [];
  let served = 0;
  const until = performance.now() + 5_000;
  const clients = Array.from({ length: 12 }, async (_, i) => {
    while (performance.now() < until) {
      const response = await chat(mesh, { stream: i % 2 === 0 });
      const text = await response.text();
      // Mid-stream deaths cannot be served again, only told: here streams end within 20 ms of the kill.
      if (response.status !== 200) bad.push(`${response.status} ${text}`);
      else if (!text.includes('upstream_broken')) served++;
    }
  });
  const victim = engines[1] as EngineSimulator;
  await Bun.sleep(800);
  const before = victim.generated;
  victim.kill();
  await wait(() => mesh.endpoint('vllm-1').state === 'unhealthy');
  await Bun.sleep(500);
  victim.revive();
  await wait(() => mesh.endpoint('vllm-1').state === 'healthy');
  await Promise.all(clients);
  expect(bad).toEqual([]);
  expect(served).toBeGreaterThan(200);
  expect(victim.generated).toBeGreaterThan(before + 10);
  for (const engine of engines) expect(engine.probeGenerations).toBe(0);
}, 90_000);

test('the only endpoint restarts: requests wait for it instead of failing', async () => {
  const engine = await engineOf('llamacpp');
  const mesh = await meshOf([engine]);
  engine.kill();
  const waiting = Promise.all([chat(mesh), chat(mesh, { stream: true })]);
  await Bun.sleep(1_200);
  engine.revive();
  for (const response of await waiting) {
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('tok7');
  }
}, 90_000);
