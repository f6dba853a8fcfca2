import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endpointSpec } from '@labmesh/inference/registry/endpoint';
import { Registry } from '@labmesh/inference/watch/registry';
import { systemClock } from '@labmesh/kit/clock';
import { parseConfig } from '@labmesh/kit/config-file';
import { silentLogger } from '@labmesh/kit/log';
import type { EngineSimulator } from '../../../tests/simulators/engines/engine-simulator.ts';
import { startEngine } from '../../../tests/simulators/engines/start-engine.ts';
import { probeFetch } from '../../../tests/simulators/probe-fetch.ts';
import { readLabmanConfig } from './labman-config.ts';
import { type Labman, startLabman } from './labman.ts';
import { AddressInUseError } from './open-listener.ts';

/** What a promise is rejected with, to be looked at. */
const asIs = (error: unknown) => error;

const path = '/srv/models/qwen.gguf';
const stateDir = mkdtempSync(join(tmpdir(), 'labman-'));
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  rmSync(stateDir, { recursive: true, force: true });
});
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};

type Options = { proxy?: string; top?: string; registry?: Registry };
async function node(engines: readonly EngineSimulator[], { proxy = '', top = '', registry }: Options = {}) {
  const entries = engines.map(
    (engine, i) => `[[endpoints]]\nname = "e${i}"\ntenant = "t${i}"\nbase_url = "${engine.url}/v1"\n`,
  );
  const toml = `slug_scheme = "sealed"\n${top}\n[proxy]\nlocal_addr = "127.0.0.1:0"\n${proxy}\n[telemetry]\nmetrics_port = 0\n${entries.join('')}`;
  const config = readLabmanConfig(parseConfig('labman.toml', toml), { warn: () => {} });
  const { signal } = new AbortController();
  const labman = keep(
    await startLabman(config, {
      clock: systemClock,
      log: silentLogger,
      signal,
      stateDir,
      ...(registry ? { registry } : {}),
    }),
  );
  return { labman, api: `http://127.0.0.1:${labman.proxyPort}/v1` };
}
const slugOf = (labman: Labman, model: string) => labman.slugs.list().find((row) => row.model === model)?.slug ?? '';
const ask = (api: string, body: unknown, route = '/chat/completions', headers: Record<string, string> = {}) =>
  fetch(api + route, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const chat = (model: string, rest: object = {}) => ({ model, messages: [{ role: 'user', content: 'hi' }], ...rest });
const codeOf = async (answer: Response) => [
  answer.status,
  ((await answer.json()) as { error: { code: string } }).error.code,
];

test('every route answers by slug, and by model id', async () => {
  const engine = keep(await startEngine({ kind: 'ollama' }));
  const { labman, api } = await node([engine]);
  for (const model of [slugOf(labman, 'llama3.2:3b'), 'llama3.2:3b']) {
    expect(await (await ask(api, chat(model))).json()).toMatchObject({
      object: 'chat.completion',
      model: 'llama3.2:3b',
    });
    expect(await (await ask(api, { model, prompt: 'x' }, '/completions')).json()).toMatchObject({
      object: 'text_completion',
    });
    expect(await (await ask(api, { model, input: 'x' }, '/embeddings')).json()).toMatchObject({ object: 'list' });
    const stream = await (await ask(api, chat(model, { stream: true }))).text();
    expect(stream).toEndWith('data: [DONE]\n\n');
    expect(stream).not.toContain('"usage"');
  }
});

test('only the model changes on the way, and no header of the client goes on', async () => {
  const engine = keep(await startEngine({ kind: 'openai', models: ['m'] }));
  const { labman, api } = await node([engine]);
  const slug = slugOf(labman, 'm');
  const headers = {
    'content-type': 'application/json',
    authorization: 'Bearer sk-mine',
    cookie: 'c=1',
    'user-agent': 'me',
    'x-forwarded-for': '1.2.3.4',
  };
  const body = (model: string) => `{ "n": 9007199254740993,\n"model" : "${model}", "t":1.0,"messages":[] }`;
  await fetch(`${api}/chat/completions?secret=1`, { method: 'POST', headers, body: body(slug) });
  const seen = engine.requests.findLast((one) => one.method === 'POST');
  expect([seen?.body, seen?.path]).toEqual([body('m'), '/v1/chat/completions']);
  expect(Object.keys(seen?.headers ?? {}).toSorted()).toEqual([
    'accept',
    'accept-encoding',
    'content-length',
    'content-type',
    'host',
    'x-request-id',
  ]);
});

test('a list names models by slug, with their facts, and tells which are down', async () => {
  const [one, two] = [
    keep(await startEngine({ kind: 'llamacpp', models: [path] })),
    keep(await startEngine({ kind: 'vllm', models: ['big'] })),
  ];
  const { labman, api } = await node([one, two]);
  const endpoint = labman.registry.endpoints[1];
  if (endpoint !== undefined) endpoint.state = 'unhealthy';
  const list = (await (await fetch(`${api}/models`)).json()) as {
    data: unknown[];
    labman: { unavailable_models: unknown[] };
  };
  expect(list.data).toEqual([
    {
      id: slugOf(labman, path),
      object: 'model',
      created: expect.any(Number),
      owned_by: 'labmesh',
      labman: {
        tenant: 't0',
        endpoint: 'e0',
        model_id: 'qwen.gguf',
        context_length: 4096,
        slots: 4,
        slots_free: 4,
        healthy: true,
      },
    },
  ]);
  expect(list.labman.unavailable_models).toMatchObject([{ labman: { endpoint: 'e1', healthy: false } }]);
  expect(await (await fetch(`${api}/models?view=ids`)).json()).toMatchObject({ data: [{ id: 'qwen.gguf' }] });
  expect(await codeOf(await ask(api, chat(slugOf(labman, 'big'))))).toEqual([503, 'endpoint_unhealthy']);
});

test('a file path as model id shows nowhere, but its last part is understood', async () => {
  const engine = keep(await startEngine({ kind: 'llamacpp', models: [path], tokens: 3 }));
  const { labman, api } = await node([engine]);
  for (const model of [slugOf(labman, path), 'qwen.gguf']) {
    const whole = await ask(api, chat(model));
    const headers = JSON.stringify([...whole.headers]);
    expect(await whole.json()).toMatchObject({ model: 'qwen.gguf' });
    const stream = await (await ask(api, chat(model, { stream: true }))).text();
    expect(stream).toContain('"model":"qwen.gguf"');
    expect(stream + headers).not.toContain('/srv');
  }
});

test('answers carry four headers at most, and errors of engines no address', async () => {
  const engine = keep(await startEngine({ kind: 'openai', models: ['m'] }));
  const { api } = await node([engine]);
  const names = [...(await ask(api, chat('m'))).headers.keys()].toSorted();
  expect(names).toEqual(['content-length', 'content-type', 'x-request-id']);
  engine.faults = {
    generateStatus: 422,
    body: '{"error":{"message":"bad field, see http://10.0.0.5:8000/docs and /srv/vllm/x.py"}}',
  };
  const refused = await ask(api, chat('m'));
  expect([refused.status, await refused.text()]).toEqual([
    422,
    '{"error":{"message":"bad field, see [hidden] and [hidden]"}}',
  ]);
});

test('what cannot be served is told by code', async () => {
  const engine = keep(await startEngine({ kind: 'openai', models: ['m'] }));
  const { api } = await node([engine], { proxy: 'max_body_mb = 1' });
  expect(await codeOf(await ask(api, chat('nope')))).toEqual([404, 'model_not_found']);
  expect(await codeOf(await ask(api, { messages: [] }))).toEqual([400, 'model_required']);
  expect(await codeOf(await ask(api, { model: 1 }))).toEqual([400, 'invalid_type']);
  expect(await codeOf(await ask(api, chat('m'), '/responses'))).toEqual([404, 'path_not_exposed']);
  expect(await codeOf(await fetch(`${api}/chat/completions`))).toEqual([405, 'method_not_allowed']);
  expect(await codeOf(await ask(api, chat('m'), '/chat/completions', { 'content-type': 'text/plain' }))).toEqual([
    415,
    'unsupported_media_type',
  ]);
  expect(await codeOf(await ask(api, { model: 'm', x: 'x'.repeat(2 ** 20) }))).toEqual([413, 'request_too_large']);
  for (const route of ['/health', '/metrics', '/v1', '/v1/models/']) {
    expect(await codeOf(await fetch(api.replace('/v1', route)))).toEqual([404, 'path_not_exposed']);
  }
});

test('browser pages are refused on both listeners', async () => {
  const { labman, api } = await node([]);
  const refused = async (port: number | undefined, at: string, headers: Record<string, string>) =>
    (await fetch(`http://127.0.0.1:${port}${at}`, { headers })).status;
  for (const [port, at] of [
    [labman.proxyPort, '/v1/models'],
    [labman.metricsPort, '/metrics'],
  ] as const) {
    expect(await refused(port, at, { host: 'evil.example' })).toBe(403);
    expect(await refused(port, at, { origin: 'https://evil.example' })).toBe(403);
    expect(await refused(port, at, {})).toBe(200);
  }
  expect((await fetch(`${api}/models`)).headers.get('access-control-allow-origin')).toBeNull();
});

test('metrics: requests, tokens, errors and endpoints, no probe', async () => {
  const engine = keep(await startEngine({ kind: 'openai', models: ['m'], tokens: 5 }));
  const { labman, api } = await node([engine]);
  await (await ask(api, chat('m'))).text();
  await (await ask(api, chat('nope'))).text();
  const page = await (await fetch(`http://127.0.0.1:${labman.metricsPort}/metrics`)).text();
  for (const line of [
    'labman_requests_total{endpoint="e0",model="m",success="true"} 1',
    'labman_request_latency_seconds_count{endpoint="e0",model="m"} 1',
    'labman_tokens_total{tenant="t0",model="m",dir="out"} 5',
    'labman_errors_total{endpoint="_unknown",kind="hashed_model_not_found"} 1',
    'labman_active_requests 0',
    'labman_endpoint_up{endpoint="e0"} 1',
    'labman_queue_depth 0',
  ])
    expect(page).toContain(`${line}\n`);
});

test('the node runs no more requests than it may', async () => {
  const engine = keep(await startEngine({ kind: 'openai', models: ['m'], prefillMs: 150 }));
  const { api } = await node([engine], { proxy: 'max_streams = 1' });
  const first = ask(api, chat('m'));
  await Bun.sleep(40);
  const second = await ask(api, chat('m'));
  expect(second.headers.get('retry-after')).toBe('2');
  expect(await codeOf(second)).toEqual([429, 'node_busy']);
  expect((await first).status).toBe(200);
});

test('a client that leaves frees the engine', async () => {
  const engine = keep(await startEngine({ kind: 'openai', models: ['m'], tokens: 500, tokenDelayMs: 5 }));
  const { api } = await node([engine]);
  const leaving = new AbortController();
  const answer = await fetch(`${api}/chat/completions`, {
    method: 'POST',
    signal: leaving.signal,
    body: JSON.stringify(chat('m', { stream: true })),
    headers: { 'content-type': 'application/json' },
  });
  await answer.body?.getReader().read();
  leaving.abort();
  const since = performance.now();
  while (engine.aborted === 0 && performance.now() - since < 1_000) await Bun.sleep(5);
  expect(engine.aborted).toBe(1);
});

test('a drain refuses new requests, and past its time ends streams with an error the client can read', async () => {
  const engine = keep(await startEngine({ kind: 'openai', models: ['m'], tokens: 1_000, tokenDelayMs: 5 }));
  const { labman, api } = await node([engine], { proxy: 'drain_timeout_s = 0' });
  const answer = await ask(api, chat('m', { stream: true }));
  const text = answer.text();
  await Bun.sleep(30);
  expect(await labman.drain()).toBe(1);
  expect(await text).toContain('"code":"server_shutting_down"');
  expect(await text).not.toContain('[DONE]');
});

test('with a registry that is there already it adds nothing to it and only names its models', async () => {
  const engine = keep(await startEngine({ kind: 'openai', models: ['m'] }));
  const registry = keep(new Registry({ clock: systemClock, log: silentLogger, fetch: probeFetch }));
  registry.add(endpointSpec({ name: 'shared', baseUrl: engine.url }));
  await registry.start(new AbortController().signal);
  const config = readLabmanConfig(parseConfig('labmesh.toml', '[labman.telemetry]\ndisable_metrics = true'), {
    warn: () => {},
  });
  const { signal } = new AbortController();
  const labman = keep(await startLabman(config, { registry, clock: systemClock, log: silentLogger, signal, stateDir }));
  expect([labman.proxyPort, labman.metricsPort]).toEqual([undefined, undefined]);
  expect(labman.slugs.find(slugOf(labman, 'm'))).toMatchObject({
    model: 'm',
    endpoint: registry.endpoints[0] as never,
  });
});

test('a port that is taken is named', async () => {
  const { labman } = await node([]);
  const config = readLabmanConfig(
    parseConfig('l.toml', `slug_scheme = "classic"\nproxy.local_addr = "127.0.0.1:${labman.proxyPort}"`),
    { warn: () => {} },
  );
  const { signal } = new AbortController();
  const started = startLabman(config, { clock: systemClock, log: silentLogger, signal, stateDir });
  expect(await started.catch(asIs)).toBeInstanceOf(AddressInUseError);
  expect(await started.catch(asIs)).toMatchObject({
    message: expect.stringMatching(/proxy\.local_addr: 127\.0\.0\.1:\d+ is in use/),
  });
});
