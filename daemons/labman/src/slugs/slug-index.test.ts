import { expect, test } from 'bun:test';
import { Endpoint, endpointSpec, type Model } from '@labmesh/inference/registry/endpoint';
import { parseBaseUrl } from '@labmesh/inference/registry/parse-base-url';
import { createLogger, type Logger, silentLogger } from '@labmesh/kit/log';
import { nodeSlugsMax, SlugIndex, type SlugIndexParts } from './slug-index.ts';

const models = (...ids: string[]): ReadonlyMap<string, Model> => new Map(ids.map((id) => [id, { id }]));

function endpoint(tenant: string, baseUrl: string, ids: string[], name = `${tenant} ${baseUrl}`): Endpoint {
  const made = new Endpoint(endpointSpec({ name, baseUrl, tenant }), parseBaseUrl(baseUrl));
  made.models = models(...ids);
  made.state = 'healthy';
  return made;
}

/** The part of a registry that the index reads. */
class Endpoints {
  endpoints: Endpoint[];
  listener = () => {};
  constructor(...all: Endpoint[]) {
    this.endpoints = all;
  }
  usable = (one: Endpoint) => one.state === 'healthy';
  onChange = (listener: () => void) => {
    this.listener = listener;
    return () => void (this.listener = () => {});
  };
}

const signal = new AbortController().signal;
async function indexOf(registry: Endpoints, parts: Partial<SlugIndexParts> = {}): Promise<SlugIndex> {
  const index = new SlugIndex({ registry, scheme: 'classic', log: silentLogger, ...parts });
  await index.start(signal);
  return index;
}
function recorder(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    log: createLogger({
      level: 'warn',
      format: 'json',
      write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg),
    }),
  };
}

const golden = [
  ['tenantA', 'http://10.6.0.213:11434/v1', 'mistral-nemo:12b', 'GT0f9Nb2WnT'],
  ['tenantB', 'http://10.6.0.213:11434/v1', 'mistral-nemo:12b', 'Ar8Gh7frSRg'],
  ['tenantA', 'http://10.6.0.213:11434/v1', 'llama3.1:70b', 'EvRv98vasK5'],
  ['tenantA', 'http://10.6.0.214:11434/v1', 'mistral-nemo:12b', 'FNu4RjIFtzL'],
  ['', 'http://127.0.0.1:11434/v1', 'llama3.2:3b', '4hm9MWhm4yD'],
  ['', 'http://127.0.0.1:11434/v1/', 'llama3.2:3b', '4gW2FEb3mht'],
  ['', 'https://[::1]:8000/v1', 'Qwen/Qwen3-8B', '1ofPFbR2u7B'],
  ['Müller', 'http://vllm.lan:8000/v1', '模型-7b', 'BowAGnsKE2A'],
] as const;

test('the golden vectors of classic slugs', async () => {
  const all = golden.map(([tenant, baseUrl, model], i) => endpoint(tenant, baseUrl, [model], `e${i}`));
  const index = await indexOf(new Endpoints(...all));
  for (const [i, [, , model, slug]] of golden.entries())
    expect(index.find(slug)).toEqual({ slug, endpoint: all[i] as Endpoint, model } as never);
});

test('the golden vectors of sealed slugs', async () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const registry = new Endpoints(
    endpoint('tenantA', 'http://10.6.0.213:11434/v1', ['mistral-nemo:12b']),
    endpoint('', 'http://127.0.0.1:11434/v1', ['llama3.2:3b']),
  );
  const index = await indexOf(registry, { scheme: 'sealed', key });
  expect(index.list().map(({ slug }) => slug)).toEqual(['K4s8nv5LqTg', '70kNsntKXxz']);
  expect(() => new SlugIndex({ registry, scheme: 'sealed', log: silentLogger })).toThrow(/key/);
});

test('a list that changes changes the slugs; an endpoint that is down keeps them', async () => {
  const one = endpoint('', 'http://h/v1', ['a', 'b'], 'one');
  const registry = new Endpoints(one);
  let hashed = 0;
  const index = await indexOf(registry, { hash: async (_, __, model) => (hashed++, `slug-${model}`) });
  one.state = 'unhealthy';
  registry.listener();
  await index.settled();
  expect(index.list()).toEqual([
    { slug: 'slug-a', tenant: '', endpoint: 'one', model: 'a', healthy: false },
    { slug: 'slug-b', tenant: '', endpoint: 'one', model: 'b', healthy: false },
  ]);
  one.models = models('b', 'c');
  registry.listener();
  registry.listener();
  await index.settled();
  expect([index.find('slug-a'), index.find('slug-b')?.model, index.find('slug-c')?.model]).toEqual([
    undefined,
    'b',
    'c',
  ]);
  expect(hashed).toBe(3);
});

test('two triples with one slug: the first is offered, the other is an error in the log, once', async () => {
  const { log, lines } = recorder();
  const registry = new Endpoints(endpoint('', 'http://h/v1', ['a', 'b']));
  const index = await indexOf(registry, { log, hash: async () => 'same' });
  (registry.endpoints[0] as Endpoint).models = models('a', 'b');
  registry.listener();
  await index.settled();
  expect(index.list().map(({ model }) => model)).toEqual(['a']);
  expect(lines).toEqual(['slug_collision']);
});

test('the same address and tenant twice: the first wins, with a warning', async () => {
  const { log, lines } = recorder();
  const first = endpoint('', 'http://h/v1', ['a', 'b'], 'first');
  const index = await indexOf(new Endpoints(first, endpoint('', 'http://h/v1', ['a', 'b'], 'second')), { log });
  expect(index.list().map((row) => row.endpoint)).toEqual(['first', 'first']);
  expect(lines).toEqual(['duplicate_slug']);
});

test('past the limit the log names it', async () => {
  const { log, lines } = recorder();
  const ids = Array.from({ length: nodeSlugsMax + 1 }, (_, i) => `m${i}`);
  const index = await indexOf(new Endpoints(endpoint('', 'http://h/v1', ids)), {
    log,
    hash: async (_, __, model) => model,
  });
  expect(index.list().length).toBe(nodeSlugsMax);
  expect(lines).toEqual(['limit_exceeded']);
});

test('a change in the middle of a build is not lost', async () => {
  const one = endpoint('', 'http://h/v1', ['a']);
  const registry = new Endpoints(one);
  const index = new SlugIndex({
    registry,
    scheme: 'classic',
    log: silentLogger,
    hash: async (_, __, model) => (await Bun.sleep(2), model),
  });
  const started = index.start(signal);
  one.models = models('b');
  registry.listener();
  await started;
  expect(index.find('b')?.model).toBe('b');
});
