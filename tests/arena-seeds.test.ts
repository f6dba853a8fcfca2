/**
 * Whether answers can be generated again (verification AR2), from engines through gateway and arena to the certificate, with
 * nothing set: an engine that ignores its seed is found out once, by few tokens, and only where nobody is paid for them.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { SeedProbes } from '@labmesh/arena/generate/seed-probes';
import { gatewayGenerate } from '@labmesh/arena/generate/gateway-generate';
import { ArenaGround } from './harness/arena-ground.ts';

type Asked = { seed?: number; max_tokens?: number; messages: { content: string }[] };

/** An engine with one model; its kind is told by who owns that. */
class TinyEngine implements AsyncDisposable {
  readonly name: string;
  readonly asked: Asked[] = [];
  silentMs = 0;
  readonly #server: ReturnType<typeof Bun.serve>;

  constructor(name: string, owner: string, say: (asked: Asked, call: number) => string) {
    this.name = name;
    const models = { object: 'list', data: [{ id: name, object: 'model', created: 1, owned_by: owner }] };
    this.#server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      routes: {
        '/v1/models': () => Response.json(models),
        '/health': () => new Response('ok'),
        '/version': () => Response.json({ version: '1.2.3' }),
        '/v1/chat/completions': async (request) => {
          const asked = (await request.json()) as Asked;
          const call = this.asked.push(asked);
          await Bun.sleep(this.silentMs);
          const content = say(asked, call);
          const base = { id: 'c', created: 1, object: 'chat.completion.chunk', model: name };
          const event = (delta: object, finish_reason: string | null) =>
            `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
          const body = `${event({ content }, null)}${event({}, 'stop')}data: [DONE]\n\n`;
          // What an engine says of itself counts for nothing.
          const forged = { 'x-labmesh-engine': `own-${'0'.repeat(32)}` };
          return new Response(body, { headers: { 'content-type': 'text/event-stream', ...forged } });
        },
      },
      fetch: () => new Response('', { status: 404 }),
    });
  }

  get endpoint() {
    return { name: this.name, baseUrl: `http://127.0.0.1:${this.#server.port}` };
  }

  /** Calls that were no variation of an answer. */
  get probes() {
    return this.asked.filter(({ messages }) => messages.at(-1)?.content !== 'write it');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}

const said = (value: unknown) => `\`\`\`json\n{"n": "${String(value)}"}\n\`\`\``;
const honest = new TinyEngine('honest', 'vllm', ({ seed }) => said(seed));
const deaf = new TinyEngine('deaf', 'vllm', (_, call) => said(`draw ${call}`));
/** Deaf, too; but it might be a door to who is paid. */
const proxy = new TinyEngine('proxy', 'somebody', (_, call) => said(`draw ${call}`));

let ground: ArenaGround;
beforeAll(async () => {
  // Comments come soon, so that a slow answer tells its engine after its head.
  const toml = '[keepalive]\nafter_s = 0.2\nevery_s = 0.2';
  ground = await ArenaGround.start(toml, [honest.endpoint, deaf.endpoint, proxy.endpoint]);
}, 60_000);
afterAll(async () => {
  await ground[Symbol.asyncDispose]();
  for (const engine of [honest, deaf, proxy]) await engine[Symbol.asyncDispose]();
});

/** What a verified answer of the model says: the run, and the certificate. */
async function sampledBy(model: string) {
  const block = { mode: 'intercept', variations: 2, verifiers: ['json_schema'], expected_schema: { type: 'object' } };
  const response = await ground.mesh.post(
    '/v1/chat/completions',
    { model, messages: [{ role: 'user', content: 'write it' }], verification: block },
    { headers: { authorization: `Bearer ${ground.mesh.key}`, 'x-labmesh-cache': 'no-store' } },
  );
  const { verification } = (await response.json()) as { verification: { run_id: string; status: string } };
  expect(verification.status).toBe('valid');
  const id = verification.run_id;
  const run = (await (await ground.get(`/api/arena/trajectories/${id}`)).json()) as { plan: { replayable: unknown } };
  const view = await (await ground.get(`/v1/certificates/${id}?view=statement`)).json();
  const found = /"sampling":\[\{[^\]]*"replayable":(\w+)/.exec(JSON.stringify(view))?.[1];
  return { run: run.plan.replayable, certificate: found };
}

/** The same once the engine was looked at: the first result does not wait long for that. */
async function sampledAtLast(model: string) {
  for (;;) {
    const found = await sampledBy(model);
    if (found.run !== null) return found;
  }
}

test('with nothing set: true, false, or nothing claimed', async () => {
  expect(await sampledAtLast('honest')).toEqual({ run: true, certificate: 'true' });
  expect(await sampledAtLast('deaf')).toEqual({ run: false, certificate: 'false' });
  expect(await sampledBy('proxy')).toEqual({ run: null, certificate: 'null' });
  expect([honest, deaf, proxy].map(({ probes }) => probes.length)).toEqual([3, 2, 0]);
  for (const engine of [honest, deaf]) {
    const tokens = engine.probes.reduce((sum, { max_tokens: most = 99 }) => sum + most, 0);
    expect(tokens).toBeLessThanOrEqual(16);
  }
}, 60_000);

test('each engine is asked once', async () => {
  expect(await sampledBy('deaf')).toEqual({ run: false, certificate: 'false' });
  expect(await sampledBy('honest')).toEqual({ run: true, certificate: 'true' });
  expect([honest.probes.length, deaf.probes.length]).toEqual([3, 2]);
}, 60_000);

test('an answer that was long in coming tells its engine as well; strangers are told nothing', async () => {
  honest.silentMs = 700;
  expect(await sampledBy('honest')).toEqual({ run: true, certificate: 'true' });
  const messages = [{ role: 'user', content: 'write it' }];
  const plain = await ground.mesh.post('/v1/chat/completions', { model: 'honest', messages, stream: true });
  expect(await plain.text()).not.toContain('x-labmesh-engine');
  honest.silentMs = 0;
}, 60_000);

test('an engine that is named and is not there answers nothing: no other does in its place', async () => {
  const generate = gatewayGenerate({
    baseUrl: ground.mesh.gateway.api.replace(/\/v1$/, ''),
    token: ground.mesh.gateway.internalToken,
  });
  const before = honest.asked.length;
  const seeds = new SeedProbes({ generate, clock: systemClock, store: ground.mesh.store });
  const payer = {
    tenant: 'default',
    key: ground.mesh.key.slice(4, 16),
    model: 'honest',
    engine: `own-${'0'.repeat(32)}`,
  };
  const found = await seeds.find(payer);
  expect([found, honest.asked.length]).toEqual([{ replayable: null, tokensIn: 0, tokensOut: 0 }, before]);
}, 60_000);
