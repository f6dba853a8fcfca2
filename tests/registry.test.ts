import { afterEach, describe, expect, test } from 'bun:test';
import { scanWellKnown } from '@labmesh/inference/discovery/well-known';
import { loadOf } from '@labmesh/inference/load/load';
import { endpointSpec, type Endpoint, type EndpointSpec } from '@labmesh/inference/registry/endpoint';
import { Registry } from '@labmesh/inference/watch/registry';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { EngineSimulator } from './simulators/engines/engine-simulator.ts';
import { simulatedKinds, startEngine, type SimulatedKind } from './simulators/engines/start-engine.ts';
import { probeFetch } from './simulators/probe-fetch.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
});

async function engine(kind: SimulatedKind, options: Omit<Parameters<typeof startEngine>[0], 'kind'> = {}) {
  const started = await startEngine({ ...options, kind });
  open.push(started);
  return started;
}

async function registryOf(engines: readonly EngineSimulator[], spec: Partial<EndpointSpec> = {}): Promise<Registry> {
  const registry = new Registry({ clock: systemClock, log: silentLogger, fetch: probeFetch });
  open.push(registry);
  for (const each of engines) registry.add(endpointSpec({ name: each.kind, baseUrl: `${each.url}/v1`, ...spec }));
  await registry.start(new AbortController().signal);
  return registry;
}

const endpointOf = (registry: Registry, name: string): Endpoint => {
  const endpoint = registry.endpoints.find((each) => each.spec.name === name);
  if (endpoint === undefined) throw new Error(`no endpoint ${name}`);
  return endpoint;
};

async function until(condition: () => boolean, timeoutMs = 3_000): Promise<number> {
  const started = performance.now();
  while (!condition()) {
    if (performance.now() - started > timeoutMs) throw new Error('waited too long');
    await Bun.sleep(5);
  }
  return performance.now() - started;
}

describe('a registry over engines of every kind', () => {
  test('each is recognised by itself, listed with its models, and none generates for a probe', async () => {
    const engines = await Promise.all(simulatedKinds.map((kind) => engine(kind)));
    const registry = await registryOf(engines);
    for (const each of engines) {
      const endpoint = endpointOf(registry, each.kind);
      expect({ name: each.kind, kind: endpoint.kind, state: endpoint.state }).toEqual({
        name: each.kind,
        kind: each.kind as Endpoint['kind'],
        state: 'healthy',
      });
      expect([...endpoint.models.keys()]).toEqual([...each.models]);
      for (const id of each.models) expect(registry.serving(id)).toContain(endpoint);
      expect(registry.usable(endpoint)).toBe(true);
      expect(each.probeGenerations).toBe(0);
      expect(each.requests.every((request) => request.method === 'GET')).toBe(true);
    }
    const model = (name: string, id: string) => endpointOf(registry, name).models.get(id);
    expect(endpointOf(registry, 'ollama').version).toBe('0.12.6');
    expect(model('ollama', 'llama3.2:3b')?.loaded).toBe(true);
    expect(model('ollama', 'nomic-embed-text:latest')?.loaded).toBe(false);
    expect(registry.serving('gpt-oss:120b-cloud')).toEqual([]);
    expect(model('lmstudio', 'qwen/qwen3-4b-2507')).toMatchObject({ loaded: true, contextLength: 8192 });
    expect(model('llamacpp', 'qwen2.5-0.5b-instruct-q4_k_m.gguf')?.contextLength).toBe(4096);
    expect(endpointOf(registry, 'llamacpp')).toMatchObject({ capacity: 4, capacityHard: true });
    expect(model('vllm', 'Qwen/Qwen3-8B')).toMatchObject({ contextLength: 40_960, loaded: true });
    expect(model('llamaswap', 'gemma-3-27b')?.loaded).toBe(false);
  });

  test('recognition takes at most 8 requests', async () => {
    const each = await engine('openai');
    await registryOf([each]);
    // Eight to identify, one for liveness, one for the list.
    expect(each.requests.length).toBeLessThanOrEqual(10);
  });

  test.each(['new', 'old'] as const)('load is read under the %s metric names', async (metricNames) => {
    const engines = await Promise.all(
      (['vllm', 'sglang', 'llamacpp'] as const).map((kind) => engine(kind, { metricNames })),
    );
    for (const each of engines) Object.assign(each, { extraRunning: 3, extraWaiting: 2, kv: 0.5 });
    const registry = await registryOf(engines);
    const [vllm, sglang, llamacpp] = engines.map((each) => endpointOf(registry, each.kind)) as [
      Endpoint,
      Endpoint,
      Endpoint,
    ];
    await until(() => registry.endpoints.every((endpoint) => endpoint.gauges !== undefined));
    expect(vllm.gauges).toMatchObject({ running: 3, waiting: 2, kv: 0.5, ownAtSample: 0 });
    expect(sglang.gauges).toMatchObject({ running: 3, waiting: 2, kv: 0.5 });
    expect(loadOf(vllm, systemClock.now())).toBeCloseTo(5 / 64);
    // Without --metrics only /slots speaks: it knows no queue.
    expect(llamacpp.gauges).toMatchObject(
      metricNames === 'new' ? { running: 3, waiting: 2, kv: 0.75 } : { running: 3, kv: 0.75 },
    );
    expect(llamacpp.gauges?.waiting).toBe(metricNames === 'new' ? 2 : undefined);
  });

  test('a key and headers of the endpoint go with its probes', async () => {
    const each = await engine('vllm', { apiKey: 'k1' });
    const registry = await registryOf([each], { apiKey: 'k1', headers: { 'X-Team': 'a' } });
    expect(endpointOf(registry, 'vllm').state).toBe('healthy');
    expect(
      each.requests.every(({ headers }) => headers['authorization'] === 'Bearer k1' && headers['x-team'] === 'a'),
    ).toBe(true);
  });

  test('a wrong key is a matter of configuration', async () => {
    const each = await engine('vllm', { apiKey: 'k1' });
    const registry = await registryOf([each], { kind: 'vllm', apiKey: 'k2' });
    expect(endpointOf(registry, 'vllm').state).toBe('config_error');
  });

  test('one that hangs delays nobody', async () => {
    const hung = await engine('sglang', { faults: { hangBeforeHead: true } });
    const vllm = await engine('vllm');
    const registry = new Registry({ clock: systemClock, log: silentLogger, fetch: probeFetch });
    open.push(registry);
    for (const each of [hung, vllm])
      registry.add(endpointSpec({ name: each.kind, baseUrl: each.url, kind: each.kind as 'vllm' }));
    void registry.start(new AbortController().signal);
    expect(await until(() => endpointOf(registry, 'vllm').state === 'healthy')).toBeLessThan(500);
    expect(endpointOf(registry, 'sglang').state).toBe('unknown');
  });
});

describe('an engine that dies and comes back', () => {
  test('is down soon after refused traffic, keeps its models listed, serves again within 2 s', async () => {
    const each = await engine('vllm');
    const registry = await registryOf([each]);
    const endpoint = endpointOf(registry, 'vllm');
    each.kill();
    registry.noteTraffic(endpoint, { type: 'failure', reason: 'connect' });
    expect(await until(() => endpoint.state === 'unhealthy')).toBeLessThan(1_000);
    expect(registry.usable(endpoint)).toBe(false);
    expect(registry.serving('Qwen/Qwen3-8B')).toEqual([endpoint]);
    each.revive();
    each.models = ['Qwen/Qwen3-14B'];
    expect(await until(() => registry.usable(endpoint))).toBeLessThan(2_000);
    expect(registry.serving('Qwen/Qwen3-14B')).toEqual([endpoint]);
    expect(registry.serving('Qwen/Qwen3-8B')).toEqual([]);
  });

  test('may come back as another engine', async () => {
    const each = await engine('vllm');
    const registry = await registryOf([each]);
    const endpoint = endpointOf(registry, 'vllm');
    each.kill();
    registry.noteTraffic(endpoint, { type: 'failure', reason: 'connect' });
    await until(() => endpoint.state === 'unhealthy');
    await engine('ollama', { port: each.port });
    await until(() => endpoint.state === 'healthy');
    expect(endpoint.kind).toBe('ollama');
    expect(endpoint.capacity).toBe(1);
  });
});

describe('scanWellKnown', () => {
  test('takes what identifies itself, never a web server, a nameless API or our own ports', async () => {
    const [ollama, llamacpp, nameless, own] = (await Promise.all(
      (['ollama', 'llamacpp', 'openai', 'vllm'] as const).map((kind) => engine(kind)),
    )) as [EngineSimulator, EngineSimulator, EngineSimulator, EngineSimulator];
    using web = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('<html>hello</html>') });
    using json = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => Response.json({ status: 'ok', data: [] }) });
    const free = await engine('openai');
    free.kill();
    const ports = [ollama.port, llamacpp.port, nameless.port, own.port, web.port ?? 0, json.port ?? 0, free.port];
    const options = { host: '127.0.0.1', ports, skipPorts: [own.port], timeoutMs: 500 };
    const found = await scanWellKnown(probeFetch, options);
    expect(found.map(({ name, baseUrl, kind, origin }) => ({ name, baseUrl, kind, origin }))).toEqual([
      { name: `llamacpp-${llamacpp.port}`, baseUrl: `${llamacpp.url}/v1`, kind: 'llamacpp', origin: 'discovered' },
      { name: `ollama-${ollama.port}`, baseUrl: `${ollama.url}/v1`, kind: 'ollama', origin: 'discovered' },
    ]);
    expect(own.requests).toEqual([]);
  });
});
