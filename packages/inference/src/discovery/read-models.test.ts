import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { kindList, kinds } from '../probe/kinds.ts';
import type { ProbeFetch, ProbeRequest } from '../probe/probe-fetch.ts';
import { endpointSpec } from '../registry/endpoint.ts';
import { parseBaseUrl } from '../registry/parse-base-url.ts';
import { cleanModels, listLimits, readModels } from './read-models.ts';

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

/** A fetch that answers by path; what is not listed is 404. */
function fetchOf(routes: Record<string, unknown>, asked: ProbeRequest[] = []): ProbeFetch {
  return async (_target, request) => {
    asked.push(request);
    const value = routes[request.path];
    return { status: value === undefined ? 404 : 200, header: () => undefined, body: bytes(value ?? 'not found') };
  };
}

const at = (baseUrl: string) => ({ spec: endpointSpec({ name: 'e', baseUrl }), target: parseBaseUrl(baseUrl) });

describe('readModels', () => {
  test('the prefix that answers serves requests too', async () => {
    const list = { object: 'list', data: [{ id: 'm' }] };
    const reading = await readModels(fetchOf({ '/x/models': list }), at('http://e/x'), kinds.openai);
    expect(reading).toMatchObject({ type: 'read', listing: { prefix: '/x' } });
  });

  test('a written /v1 is final', async () => {
    const asked: ProbeRequest[] = [];
    const reading = await readModels(fetchOf({ '/models': { data: [] } }, asked), at('http://e/v1'), kinds.openai);
    expect(reading).toMatchObject({ type: 'failed', seen: { type: 'unchanged', status: 404 } });
    expect(asked.map(({ path }) => path)).toEqual(['/v1/models']);
  });

  test('the older route of LM Studio, which answers 200 to everything', async () => {
    const fetch: ProbeFetch = async (_target, { path }) => {
      const data = [
        { id: 'a', state: 'loaded', max_context_length: 10 },
        { id: 'b', state: 'not-loaded' },
      ];
      const body = bytes(
        path === '/api/v0/models' ? { data, object: 'list' } : { error: `Unexpected endpoint (GET ${path})` },
      );
      return { status: 200, header: () => undefined, body };
    };
    const reading = await readModels(fetch, at('http://e'), kinds.lmstudio);
    expect(reading.type === 'read' && [...reading.listing.models.values()]).toEqual([
      { id: 'a', contextLength: 10, loaded: true },
      { id: 'b', loaded: false },
    ]);
  });

  test("llama.cpp's router tells what is loaded", async () => {
    const data = [
      { id: 'a', status: { value: 'loaded' } },
      { id: 'b', status: { value: 'unloaded' } },
    ];
    const reading = await readModels(
      fetchOf({ '/v1/models': { data }, '/props': { role: 'router' } }),
      at('http://e'),
      kinds.llamacpp,
    );
    expect(reading.type === 'read' && [...reading.listing.models.values()]).toEqual([
      { id: 'a', loaded: true },
      { id: 'b', loaded: false },
    ]);
  });

  test('failures come back as what they say of the endpoint', async () => {
    const refused: ProbeFetch = () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    expect(await readModels(refused, at('http://e'), kinds.vllm)).toMatchObject({
      seen: { type: 'failed', reason: 'connect' },
    });
    const broken = fetchOf({ '/v1/models': '{"data": [' });
    expect(await readModels(broken, at('http://e/v1'), kinds.vllm)).toMatchObject({
      seen: { type: 'failed', reason: 'invalid' },
    });
  });

  test('no answer of any shape makes a reader throw or a bad id pass', async () => {
    const key = fc.constantFrom(
      'data',
      'models',
      'id',
      'key',
      'name',
      'meta',
      'status',
      'loaded_instances',
      'running',
      'model',
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('', 'm', 'a\nb', 'x'.repeat(300), null, true, -1, 4096.5, Number.MAX_SAFE_INTEGER),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(tree, fc.constantFrom(...kindList), async (value, kind) => {
        const fetch: ProbeFetch = async () => ({ status: 200, header: () => undefined, body: bytes(value) });
        const reading = await readModels(fetch, at('http://e'), kind);
        if (reading.type === 'failed') return;
        for (const [id, model] of reading.listing.models) {
          expect(id).toBe(model.id);
          expect(id.length).toBeGreaterThan(0);
          expect(id).not.toContain('\n');
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('cleanModels', () => {
  test('drops bad ids and counts them', () => {
    const entries = ['', 'a\u0007', 'x'.repeat(257), 7, undefined, 'good'].map((id) => ({ id }));
    const { models, dropped } = cleanModels(entries);
    expect([...models.keys()]).toEqual(['good']);
    expect(dropped).toBe(5);
  });
  test('merges duplicates: the smaller context, warm when one is', () => {
    const { models } = cleanModels([
      { id: 'm', contextLength: 8, loaded: false },
      { id: 'm', contextLength: 4, loaded: true, ownedBy: 'x' },
    ]);
    expect(models.get('m')).toEqual({ id: 'm', contextLength: 4, loaded: true, ownedBy: 'x' });
  });
  test('keeps to 10,000', () => {
    const { models, dropped } = cleanModels(
      Array.from({ length: listLimits.modelsMax + 5 }, (_, i) => ({ id: `m${i}` })),
    );
    expect(models.size).toBe(listLimits.modelsMax);
    expect(dropped).toBe(5);
  });
});
