import { afterEach, describe, expect, test } from 'bun:test';
import { FakeArena, type Line, sampleResult } from '@labmesh/gateway/testing/fake-arena';
import { chatCompletionSchema } from '@labmesh/wire/openai';
import { type Mesh, startMesh } from './harness/start-mesh.ts';
import type { EngineOptions, EngineSimulator } from './simulators/engines/engine-simulator.ts';
import { startEngine } from './simulators/engines/start-engine.ts';
import { wait } from '../packages/kit/src/http/testing/talk.ts';

const messages = [{ role: 'user', content: 'write add' }];
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
});

type Ground = { mesh: Mesh; arena: FakeArena; engine: EngineSimulator };

/** A gateway with one engine and one arena. */
async function ground(toml = '', settings: { engine?: 'raw' | 'serve'; sim?: EngineOptions } = {}): Promise<Ground> {
  const engine = await startEngine({ kind: 'vllm', models: ['m'], ...settings.sim });
  const arena = new FakeArena();
  opened.push(engine, arena);
  const mesh = await startMesh([{ name: 'sim', baseUrl: engine.url }], {
    toml: `gateway.arena_socket = "${arena.socketPath}"\n${toml}`,
    ...(settings.engine && { engine: settings.engine }),
  });
  opened.push(mesh);
  return { mesh, arena, engine };
}

const base = (mesh: Mesh) => mesh.gateway.api.replace(/\/v1$/, '');
const chat = (mesh: Mesh, body: object = {}, init: RequestInit = {}) =>
  mesh.post('/v1/chat/completions', { model: 'm', messages, ...body }, init);
const verified = (mesh: Mesh, block: object = {}, body: object = {}, init: RequestInit = {}) =>
  chat(mesh, { ...body, verification: { mode: 'intercept', ...block } }, init);
const asked = (engine: EngineSimulator) => engine.requests.filter(({ path }) => path === '/v1/chat/completions');
const admin = async (mesh: Mesh, method: string, path: string, body?: object) => {
  const init = { method, headers: { authorization: `Bearer ${mesh.gateway.adminToken}` } };
  const response = await fetch(`${base(mesh)}/admin${path}`, { ...init, ...(body && { body: JSON.stringify(body) }) });
  return (await response.json()) as Record<string, never>;
};
const newKey = async (mesh: Mesh, traits: object) =>
  (await admin(mesh, 'POST', '/keys', { name: 'k', ...traits })) as unknown as { id: string; key: string };
const bearer = (key: string, headers: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${key}`, ...headers },
});
const usage = async (mesh: Mesh, key: string) => {
  const { usage: rows } = (await admin(mesh, 'GET', '/usage?by=key')) as unknown as {
    usage: Array<{ id: string; requests: number; completionTokens: number }>;
  };
  return rows.find((row) => row.id === key);
};
const metrics = async (mesh: Mesh) => await (await fetch(`${base(mesh)}/metrics`)).text();
const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; param: string | null; message: string } }).error;
const keyIdOf = (key: string) => key.slice(4, 16);

for (const http of ['raw', 'serve'] as const) {
  describe(`intercept (${http})`, () => {
    test('a whole answer: chosen by the arena, with report, usage of all variations and headers', async () => {
      const { mesh, arena, engine } = await ground('', { engine: http });
      const response = await verified(mesh, { variations: 3 }, { temperature: 0.5, x_vendor: { a: [1] } });
      expect(response.status).toBe(200);
      expect(response.headers.get('x-verification-status')).toBe('valid');
      expect(response.headers.get('x-verification-certificate')).toBe('cert-1');
      expect(response.headers.get('x-labmesh-verification')).toBe('passed');
      const body = (await response.json()) as Record<string, unknown>;
      const whole = chatCompletionSchema.parse(body);
      expect(whole.choices[0]?.message.content).toBe('the verified answer');
      expect(whole.usage).toMatchObject({ prompt_tokens: 25, completion_tokens: 50, total_tokens: 75 });
      expect(body['verification']).toMatchObject({ status: 'valid', run_id: 'run-1', cached: false });
      expect(body).not.toHaveProperty('shadow_arena');
      expect(asked(engine)).toHaveLength(0);
      const [{ offer, headers } = { offer: undefined, headers: {} as Record<string, string> }] = arena.offers;
      expect(offer).toMatchObject({ tenant: 'default', key: keyIdOf(mesh.key), mode: 'intercept' });
      expect(offer?.request).toEqual({ model: 'm', messages, temperature: 0.5, x_vendor: { a: [1] } });
      expect(offer?.block.variations).toBe(3);
      expect(offer?.requestId).toBe(response.headers.get('x-request-id') ?? '');
      expect(headers['authorization']).toBe(`Bearer ${mesh.gateway.internalToken}`);
      expect(headers['x-labmesh-tenant']).toBe('default');
    });

    test('a stream: comments while it waits, deltas of at most 64 characters, usage, report, [DONE]', async () => {
      const { mesh, arena } = await ground('[verification]\ncomment_s = 0.1', { engine: http });
      const content = `${'é🦙x'.repeat(100)}end`;
      arena.script = function* (): Generator<Line> {
        yield 350;
        yield sampleResult({ answer: { role: 'assistant', content }, shadowArena: { success: true } });
      };
      const response = await verified(mesh, {}, { stream: true });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      expect(response.headers.get('x-labmesh-verification')).toBe('pending');
      const text = await response.text();
      expect(text.match(/^: verifying$/gm)?.length).toBeGreaterThanOrEqual(2);
      const lines = text.split('\n').filter((line) => line.startsWith('data: '));
      expect(lines.at(-1)).toBe('data: [DONE]');
      const chunks = lines.slice(0, -1).map((line) => JSON.parse(line.slice(6)));
      const deltas = chunks.map((chunk) => (chunk.choices[0]?.delta.content as string | undefined) ?? '');
      expect(deltas.join('')).toBe(content);
      expect(Math.max(...deltas.map((delta) => [...delta].length))).toBe(64);
      expect(deltas.every((delta) => delta.isWellFormed())).toBe(true);
      const last = chunks.at(-1);
      expect(last).toMatchObject({ usage: { total_tokens: 75 }, verification: { status: 'valid' } });
      expect(last.choices[0].finish_reason).toBe('stop');
    });

    test('a stream whose verdict comes soon has it in its head; a usage chunk only for who asked', async () => {
      const { mesh } = await ground('', { engine: http });
      const response = await verified(mesh, {}, { stream: true, stream_options: { include_usage: true } });
      expect(response.headers.get('x-verification-status')).toBe('valid');
      const text = await response.text();
      expect(text).toContain('"choices":[],"usage":{');
      expect(text).not.toContain(': verifying');
    });

    test('a client that leaves ends its run; the rest goes on', async () => {
      const { mesh, arena } = await ground('[verification]\ncomment_s = 0.1', { engine: http });
      arena.script = async function* (_, signal) {
        while (!signal.aborted) yield 20;
      };
      for (const stream of [false, true]) {
        const before = arena.aborted;
        const client = new AbortController();
        const request = verified(mesh, {}, { stream }, { signal: client.signal }).then((response) => response.text());
        await wait(() => arena.offers.length > before);
        await Bun.sleep(150);
        client.abort();
        await request.catch(() => {});
        await wait(() => arena.aborted === before + 1);
      }
      await wait(() => mesh.gateway.inFlight === 0);
    });
  });
}
