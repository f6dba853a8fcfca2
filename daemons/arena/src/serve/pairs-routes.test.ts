import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { SqlStore } from '@labmesh/store/sql-store';
import {
  batchPageSchema,
  batchSchema,
  datasetPageSchema,
  datasetSchema,
  type ExportEvent,
  exportEventSchema,
  tripletPageSchema,
  tripletStatsSchema,
} from '@labmesh/wire/verification/datasets';
import { distillationSchema } from '@labmesh/wire/verification/distillation';
import { labelGivenSchema, labelPageSchema } from '@labmesh/wire/verification/labels';
import { tripletSchema } from '@labmesh/wire/verification/preference';
import fc from 'fast-check';
import { openPairs, type Pairs } from '../pairs/pairs.ts';
import { addRunRows } from '../pairs/testing/run-rows.ts';
import { samplePairRun } from '../pairs/testing/sample-run.ts';
import { pairsRoutes } from './pairs-routes.ts';

let store: SqlStore;
let pairs: Pairs;
const optedIn = new Set(['acme']);
beforeAll(async () => {
  store = await openStore({ url: 'sqlite::memory:', clock: new FakeClock() });
  const mayTrain = (tenant: string) => optedIn.has(tenant);
  pairs = await openPairs({ store, clock: new FakeClock(), logger: silentLogger, mayTrain, keeps: mayTrain });
  for (let at = 0; at < 60; at++) await pairs.onFinished(samplePairRun(), null);
  await pairs.onFinished(samplePairRun({ tenant: 'other' }), null);
});
afterAll(() => store[Symbol.asyncDispose]());

async function ask(method: string, path: string, { tenant = 'acme', body }: { tenant?: string; body?: unknown } = {}) {
  const headers = { 'x-labmesh-tenant': tenant, 'x-labmesh-key': 'key-7' };
  const text = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  const answer = await pairsRoutes(pairs).request(`/api/arena${path}`, { method, headers, ...text });
  return { status: answer.status, body: await answer.json(), headers: answer.headers };
}
const refusal = async (method: string, path: string, more = {}) => {
  const { status, body } = await ask(method, path, more);
  const { code, field, ...rest } = body as { code: string; field?: string; error: string; message: string };
  expect(rest).toEqual({ error: expect.any(String), message: expect.any(String) });
  return [status, code, field];
};

test('triplets: pages, one, figures', async () => {
  const first = tripletPageSchema.parse((await ask('GET', '/triplets?limit=40&quality=silver')).body);
  const rest = tripletPageSchema.parse((await ask('GET', `/triplets?limit=40&cursor=${first.nextCursor}`)).body);
  expect(first.triplets.length + rest.triplets.length).toBe(60);
  const id = first.triplets[0]!.id;
  expect(tripletSchema.parse((await ask('GET', `/triplets/${id}`)).body).tenant).toBe('acme');
  expect(tripletStatsSchema.parse((await ask('GET', '/triplets/stats')).body)).toMatchObject({ total: 60 });
  expect(await refusal('GET', `/triplets/${id}`, { tenant: 'other' })).toEqual([404, 'TRIPLET_NOT_FOUND', undefined]);
  expect(await refusal('DELETE', `/triplets/${id}`, { tenant: 'other' })).toEqual([
    404,
    'TRIPLET_NOT_FOUND',
    undefined,
  ]);
});

test('datasets: made, listed, shown', async () => {
  const made = await ask('POST', '/datasets', { body: { name: 'code', filters: { minConfidence: 0.7 } } });
  expect(made.status).toBe(201);
  const dataset = datasetSchema.parse(made.body);
  expect(dataset).toMatchObject({ count: 60, author: 'key-7', filters: { minConfidence: 0.7, messagesMost: 50 } });
  expect(datasetPageSchema.parse((await ask('GET', '/datasets')).body).datasets).toEqual([dataset]);
  expect((await ask('GET', '/datasets/code@1')).body).toEqual(dataset);
  expect(await refusal('GET', `/datasets/${dataset.id}`, { tenant: 'other' })).toEqual([
    404,
    'DATASET_NOT_FOUND',
    undefined,
  ]);
});

test('PD6 batches: proposed, listed, approved by the key that asks; another tenant sees none', async () => {
  for (let at = 0; at < 2; at++) await pairs.onFinished(samplePairRun({ tenant: 'wheel' }), null);
  await pairs.batches.propose(2, false, (tenant) => tenant === 'wheel');
  const [batch] = batchPageSchema.parse((await ask('GET', '/batches', { tenant: 'wheel' })).body).batches;
  expect(batch).toMatchObject({ state: 'proposed', pairs: 2 });
  expect(batchPageSchema.parse((await ask('GET', '/batches')).body).batches).toEqual([]);
  expect(await refusal('POST', `/batches/${batch?.id}/approve`)).toEqual([404, 'BATCH_NOT_FOUND', undefined]);
  const made = await ask('POST', `/batches/${batch?.id}/approve`, { tenant: 'wheel', body: { name: 'w' } });
  expect(batchSchema.parse(made.body)).toMatchObject({ state: 'frozen', decidedBy: 'key-7', name: 'w' });
  expect((await ask('GET', `/batches/${batch?.id}`, { tenant: 'wheel' })).body).toEqual(made.body);
  expect(await refusal('POST', `/batches/${batch?.id}/reject`, { tenant: 'wheel' })).toEqual([
    409,
    'BATCH_DECIDED',
    undefined,
  ]);
});

test('AR23 distillation: what there is at a glance, of one tenant', async () => {
  const of = async (tenant: string) => distillationSchema.parse((await ask('GET', '/distillation', { tenant })).body);
  optedIn.add('glance');
  const none = await of('glance');
  expect(none).toMatchObject({ versions: { total: 0, newest: null }, batches: { open: null }, labels: { total: 0 } });
  for (let at = 0; at < 3; at++) await pairs.onFinished(samplePairRun({ tenant: 'glance' }), null);
  await pairs.batches.propose(3, false, (tenant) => tenant === 'glance');
  const { open, states } = (await of('glance')).batches;
  expect([open?.pairs, states.proposed, states.frozen]).toEqual([3, 1, 0]);
  await ask('POST', `/batches/${open?.id}/approve`, { tenant: 'glance', body: { name: 'g' } });
  await pairs.exportDataset('glance', 'g', 'jsonl', () => Promise.resolve(), new AbortController().signal);
  await addRunRows(store, { id: 'glanced', answers: ['valid', 'valid'], tenant: 'glance' });
  const label = { runId: 'glanced', a: 0, b: 1, winner: 'a', confidence: 1 };
  await ask('POST', '/labels', { tenant: 'glance', body: label });
  const whole = await of('glance');
  expect(whole).toMatchObject({
    versions: { total: 1, tainted: 0, stages: { exported: 1, processed: 0 }, newest: { name: 'g', count: 3 } },
    batches: { open: null, states: { frozen: 1, proposed: 0 } },
    labels: { total: 1, reviewers: 1 },
  });
  expect(whole.pairs).toEqual(
    tripletStatsSchema.parse((await ask('GET', '/triplets/stats', { tenant: 'glance' })).body),
  );
  const [row] = tripletPageSchema.parse(
    (await ask('GET', '/triplets?quality=silver', { tenant: 'glance' })).body,
  ).triplets;
  await ask('DELETE', `/triplets/${row?.id}`, { tenant: 'glance' });
  expect((await of('glance')).versions).toMatchObject({ total: 1, tainted: 1, stages: { exported: 0 } });
  expect(await of('unheard-of')).toMatchObject({ pairs: { total: 0 }, versions: { total: 0 }, labels: { total: 0 } });
});

test('EX2 labels: given by the key that asks, listed for its tenant', async () => {
  await addRunRows(store, { id: 'labelled', answers: ['valid', 'valid'] });
  const body = { runId: 'labelled', a: 1, b: 0, winner: 'a', confidence: 0.8, notes: 'shorter' };
  const { label, consensus } = labelGivenSchema.parse((await ask('POST', '/labels', { body })).body);
  expect(label).toMatchObject({ a: 0, b: 1, winner: 'b', reviewer: 'key-7', notes: 'shorter' });
  expect(consensus).toMatchObject({ winner: 'b', share: 1 });
  expect(labelPageSchema.parse((await ask('GET', '/labels?run=labelled')).body).labels).toEqual([label]);
  expect((await ask('GET', '/labels', { tenant: 'other' })).body).toEqual({ labels: [], nextCursor: null });
  await ask('DELETE', '/triplets?run=labelled');
});

describe('refusals', () => {
  test.each([
    ['GET', '/triplets?limit=201', undefined, 400, 'VALIDATION_FAILED', 'limit'],
    ['GET', '/triplets?limit=x', undefined, 400, 'VALIDATION_FAILED', 'limit'],
    ['GET', '/triplets?cursor=zz', undefined, 400, 'VALIDATION_FAILED', 'cursor'],
    ['GET', '/triplets?quality=lead', undefined, 400, 'VALIDATION_FAILED', 'quality'],
    ['GET', '/triplets?nope=1', undefined, 400, 'VALIDATION_FAILED', undefined],
    ['DELETE', '/triplets', undefined, 400, 'VALIDATION_FAILED', undefined],
    ['DELETE', '/triplets?all=yes', undefined, 400, 'VALIDATION_FAILED', undefined],
    ['POST', '/datasets', '{', 400, 'VALIDATION_FAILED', undefined],
    ['POST', '/datasets', '[]', 400, 'VALIDATION_FAILED', undefined],
    ['POST', '/datasets', { name: '../x' }, 400, 'VALIDATION_FAILED', 'name'],
    [
      'POST',
      '/datasets',
      { name: 'x', filters: { minConfidence: 2 } },
      400,
      'VALIDATION_FAILED',
      'filters.minConfidence',
    ],
    ['POST', '/datasets', { name: 'x', filters: { qualities: ['gold'] } }, 409, 'DATASET_EMPTY', 'filters'],
    ['POST', '/datasets', `"${'x'.repeat(70_000)}"`, 413, 'BODY_TOO_LARGE', undefined],
    ['GET', '/datasets/none', undefined, 404, 'DATASET_NOT_FOUND', undefined],
    ['GET', '/datasets/none/export?format=jsonl', undefined, 404, 'DATASET_NOT_FOUND', undefined],
    ['GET', '/datasets/none/export?format=csv', undefined, 400, 'VALIDATION_FAILED', 'format'],
    ['PATCH', '/datasets/none', undefined, 404, 'ROUTE_NOT_FOUND', undefined],
    ['POST', '/labels', { runId: 'x', a: 0, b: 0, winner: 'a', confidence: 1 }, 400, 'VALIDATION_FAILED', 'b'],
    ['POST', '/labels', { runId: 'x', a: 0, b: 1, winner: 'c', confidence: 1 }, 400, 'VALIDATION_FAILED', 'winner'],
    ['POST', '/labels', { runId: 'x', a: 0, b: 1, winner: 'a', confidence: 1 }, 404, 'COMPARISON_NOT_FOUND', 'runId'],
    [
      'POST',
      '/labels',
      { runId: 'x', a: 0, b: 1, winner: 'a', confidence: 1, notes: 'a\0b' },
      400,
      'VALIDATION_FAILED',
      'notes',
    ],
    ['GET', '/labels?run=', undefined, 400, 'VALIDATION_FAILED', 'run'],
    ['GET', '/batches?limit=0', undefined, 400, 'VALIDATION_FAILED', 'limit'],
    ['GET', '/batches/none', undefined, 404, 'BATCH_NOT_FOUND', undefined],
    ['POST', '/batches/none/approve', undefined, 404, 'BATCH_NOT_FOUND', undefined],
    ['POST', '/batches/none/approve', { name: '../x' }, 400, 'VALIDATION_FAILED', 'name'],
    ['POST', '/batches/none/reject', undefined, 404, 'BATCH_NOT_FOUND', undefined],
    ['POST', '/datasets/none/stage', { stage: 'training' }, 404, 'DATASET_NOT_FOUND', undefined],
    ['POST', '/datasets/code/stage', { stage: 'pending' }, 400, 'VALIDATION_FAILED', 'stage'],
    ['POST', '/datasets/code/stage', undefined, 400, 'VALIDATION_FAILED', undefined],
    ['POST', '/datasets/code/stage', { stage: 'completed' }, 409, 'DATASET_STAGE', 'stage'],
  ])('%s %s %p', async (method, path, body, status, code, field) => {
    expect(await refusal(method, path, { body })).toEqual([status, code, field]);
  });

  test('no tenant, no answer', async () => {
    expect(await refusal('GET', '/triplets', { tenant: '' })).toEqual([401, 'TENANT_MISSING', undefined]);
    expect(await refusal('GET', '/datasets', { tenant: 'x'.repeat(201) })).toEqual([401, 'TENANT_MISSING', undefined]);
  });

  test('a store that is away is 503, and says nothing of where it is', async () => {
    const gone = await openStore({ url: 'sqlite::memory:' });
    const orphan = await openPairs({ store: gone, clock: new FakeClock(), logger: silentLogger, mayTrain: () => true });
    await gone[Symbol.asyncDispose]();
    const headers = { 'x-labmesh-tenant': 'acme' };
    const answer = await pairsRoutes(orphan).request('/api/arena/triplets', { headers });
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

test('what nobody foresaw is told to the log, not to the caller', async () => {
  const logged: unknown[] = [];
  const logger = { ...silentLogger, error: (_: string, fields?: object) => void logged.push(fields) };
  const protectedTexts = (): AsyncIterable<string> => {
    throw new Error('secret of the host');
  };
  const faulty = await openPairs({ store, clock: new FakeClock(), logger, mayTrain: () => true, protectedTexts });
  const init = { method: 'POST', headers: { 'x-labmesh-tenant': 'acme' }, body: '{"name":"x"}' };
  const answer = await pairsRoutes(faulty).request('/api/arena/datasets', init);
  expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('secret')]);
  expect(logged).toHaveLength(1);
});

describe('export', () => {
  const exported = (tenant: string, format = 'jsonl') =>
    pairsRoutes(pairs).request(`/api/arena/datasets/code/export?format=${format}`, {
      headers: { 'x-labmesh-tenant': tenant },
    });
  const eventsOf = async (answer: Response): Promise<ExportEvent[]> =>
    (await answer.text())
      .trimEnd()
      .split('\n')
      .map((line) => exportEventSchema.parse(JSON.parse(line)));

  test('events from start to end', async () => {
    const events = await eventsOf(await exported('acme', 'llamafactory_sharegpt'));
    expect(events[0]).toMatchObject({ event: 'start', format: 'llamafactory_sharegpt', dataset: { name: 'code' } });
    expect(events.filter(({ event }) => event === 'line')).toHaveLength(60);
    const end = events.at(-1);
    expect(end).toMatchObject({ event: 'end', refused: {} });
    const info = end?.event === 'end' ? end.datasetInfo : null;
    expect(info?.['code-v1-train']).toMatchObject({
      file_name: 'code-v1-train.jsonl',
      ranking: true,
      formatting: 'sharegpt',
    });
  });

  test('who has not opted in gets a refusal, not a stream', async () => {
    expect((await ask('POST', '/datasets', { tenant: 'other', body: { name: 'code' } })).status).toBe(201);
    const answer = await exported('other');
    expect([answer.status, await answer.json()]).toEqual([
      403,
      expect.objectContaining({ code: 'TRAINING_NOT_ALLOWED' }),
    ]);
  });

  test('what is found damaged on the way ends the stream with an error', async () => {
    const tester = { kind: 'system', id: 't', name: 't' } as const;
    const [row] = await store.read(tester, (db) =>
      db.selectFrom('arena_triplets').select(['id', 'triplet']).where('tenant', '=', 'acme').limit(1).execute(),
    );
    const set = (triplet: string) =>
      store.write(tester, (tx) =>
        tx.updateTable('arena_triplets').set({ triplet }).where('id', '=', row!.id).execute(),
      );
    await set('{}');
    expect((await eventsOf(await exported('acme'))).at(-1)).toMatchObject({ event: 'error', code: 'DATASET_DAMAGED' });
    await set(row!.triplet);
    expect((await eventsOf(await exported('acme'))).at(-1)).toMatchObject({ event: 'end' });
  });

  test('a reader that is slow or goes away holds up nothing', async () => {
    const long = { model: 'm', messages: [{ role: 'user', content: 'long '.repeat(20_000) }] };
    optedIn.add('slow');
    for (let at = 0; at < 40; at++) await pairs.onFinished(samplePairRun({ tenant: 'slow', request: long }), null);
    await pairs.createDataset('slow', 'k', {
      name: 'code',
      filters: { minConfidence: 0, messagesMost: 50, requireRationale: false },
    });
    const events = await eventsOf(await exported('slow'));
    expect(events.filter(({ event }) => event === 'line')).toHaveLength(40);
    const reader = (await exported('slow')).body!.getReader();
    await reader.read();
    await reader.cancel();
    const asleep = await pairsRoutes(pairs, 20).request('/api/arena/datasets/code/export?format=jsonl', {
      headers: { 'x-labmesh-tenant': 'slow' },
    });
    await Bun.sleep(300);
    expect(await asleep.text().catch(() => 'ended')).toBe('ended');
    expect((await exported('slow')).status).toBe(200);
  });

  test('deleting taints, and a tainted version is refused', async () => {
    expect((await ask('DELETE', '/triplets?all=true', { tenant: 'slow' })).body).toEqual({
      removed: 40,
      taintedDatasets: 1,
    });
    const answer = await exported('slow');
    expect([answer.status, await answer.json()]).toEqual([409, expect.objectContaining({ code: 'DATASET_TAINTED' })]);
  });
});

test('whatever is asked: an answer in form, never a 500, never a word of another tenant', async () => {
  const word = fc.oneof(
    fc.constantFrom('limit', 'cursor', 'quality', 'run', 'all', 'format', '1', 'true', 'jsonl'),
    fc.string(),
  );
  const path = fc.constantFrom(
    '/triplets',
    '/triplets/stats',
    '/triplets/x',
    '/datasets',
    '/datasets/code',
    '/datasets/%00',
    '/datasets/code/export',
    '/datasets/code/stage',
    '/batches',
    '/batches/x/approve',
    '/batches/%00/reject',
    '/labels',
  );
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    fc.record({ name: fc.string(), filters: fc.jsonValue() }).map((of) => JSON.stringify(of)),
    fc
      .record({
        runId: fc.constantFrom('labelled', 'x', '\0'),
        a: fc.constantFrom(0, 1, 99),
        b: fc.constantFrom(0, 1, -1, 0.5),
        winner: fc.constantFrom('a', 'b', 'tie'),
        confidence: fc.double(),
        notes: fc.string({ unit: 'binary' }),
      })
      .map((of) => JSON.stringify(of)),
  );
  await fc.assert(
    fc.asyncProperty(
      path,
      fc.array(fc.tuple(word, word), { maxLength: 3 }),
      fc.constantFrom('GET', 'POST'),
      body,
      async (of, query, method, text) => {
        const target = `/api/arena${of}?${new URLSearchParams(query).toString()}`;
        const init = { method, headers: { 'x-labmesh-tenant': 'acme' }, ...(method === 'POST' && { body: text }) };
        const answer = await pairsRoutes(pairs).request(target, init);
        expect(answer.status).toBeLessThan(500);
        expect(await answer.text()).not.toContain('"other"');
      },
    ),
    { numRuns: 300 },
  );
});
