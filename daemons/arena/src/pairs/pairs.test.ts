import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { parseEntry } from '@labmesh/attest/merkle/log-entry';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { SqlStore } from '@labmesh/store/sql-store';
import { system } from '@labmesh/wire/fleet/principal';
import { createDatasetSchema, type ExportEvent } from '@labmesh/wire/verification/datasets';
import fc from 'fast-check';
import { onBothEngines } from '../../../../tests/harness/both-engines.ts';
import { partOf } from './choose-rows.ts';
import { exportsMost } from './export/exports.ts';
import { freezesMost, openPairs, type Pairs, type PairsParts } from './pairs.ts';
import { sampleAnswer, sampleCandidate, samplePairRun, sampleRun } from './testing/sample-run.ts';

const tester = system('pairs test');
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { code?: string }) => error.code,
  );

/** A store whose tables of preference data are empty before each test. */
class Ground {
  readonly #openUrl: () => Promise<string>;
  store!: SqlStore;

  constructor(openUrl: () => Promise<string>) {
    this.#openUrl = openUrl;
  }

  async start(): Promise<void> {
    this.store = await openStore({ url: await this.#openUrl(), clock: new FakeClock() });
  }

  empty(): Promise<void> {
    return this.store.write(tester, async (tx) => {
      for (const table of ['arena_triplets', 'arena_datasets', 'arena_dataset_rows'] as const) {
        await tx.deleteFrom(table).execute();
      }
    });
  }

  open(changes: Partial<PairsParts> = {}): Promise<Pairs> {
    return openPairs({
      store: this.store,
      clock: new FakeClock(),
      logger: silentLogger,
      mayTrain: () => true,
      ...changes,
    });
  }

  /** With so many pairs. */
  async add(count: number, tenant = 'acme'): Promise<Pairs> {
    const pairs = await this.open();
    for (let at = 0; at < count; at++) await pairs.onFinished(samplePairRun({ tenant }), null);
    return pairs;
  }
}

const wanted = (filters = {}, name = 'code') => createDatasetSchema.parse({ name, filters });
async function exported(pairs: Pairs, tenant: string, ref: string) {
  const events: ExportEvent[] = [];
  const end = await pairs.exportDataset(tenant, ref, 'jsonl', (event) => void events.push(event));
  const lines = events.flatMap((event) => (event.event === 'line' ? [event.text] : []));
  return { events, lines, end };
}

function keeping(ground: Ground): void {
  test('PD6 a run adds its pairs once', async () => {
    const pairs = await ground.open();
    const run = samplePairRun();
    expect(await pairs.onFinished(run, 'cert-1')).toEqual({ added: 1, leftOut: {} });
    expect(await pairs.onFinished(run, 'cert-1')).toEqual({ added: 0, leftOut: {} });
    const { items } = await pairs.list('acme', { limit: 10 });
    expect(items).toMatchObject([{ runId: run.id, certificateId: 'cert-1', quality: 'silver', confidence: 1 }]);
    expect(await pairs.get('acme', items[0]!.id)).toMatchObject({ run_id: run.id, tenant: 'acme' });
    expect(await pairs.onFinished(samplePairRun({ keepsTexts: false }), null)).toMatchObject({ added: 0 });
  });

  test('pages, filters and figures', async () => {
    const pairs = await ground.add(5);
    const close = sampleRun(
      [0, 1].map((at) => sampleCandidate(at, sampleAnswer(`close ${at}`, 'valid'), { score: 0.9 - at * 0.2 })),
    );
    await pairs.onFinished(close, null);
    const first = await pairs.list('acme', { limit: 4 });
    const rest = await pairs.list('acme', { limit: 4, cursor: first.nextCursor ?? '' });
    expect(new Set([...first.items, ...rest.items].map(({ id }) => id)).size).toBe(6);
    expect(rest.nextCursor).toBeNull();
    const of = async (ask: object) => (await pairs.list('acme', { limit: 10, ...ask })).items.length;
    expect([
      await of({ quality: 'bronze' }),
      await of({ source: 'verification' }),
      await of({ run: close.id }),
    ]).toEqual([1, 5, 1]);
    expect(await codeOf(pairs.list('acme', { limit: 4, cursor: 'bad' }))).toBe('VALIDATION_FAILED');
    expect(await pairs.stats('acme')).toEqual({
      total: 6,
      qualities: { gold: 0, silver: 5, bronze: 1 },
      sources: { verification: 5, tournament: 1, human: 0, hybrid: 0, self_correction: 0 },
      stages: { pending: 6, processed: 0, exported: 0, training: 0, completed: 0, failed: 0 },
      runs: { waiting: 0, failed: 0 },
      meanConfidence: 0.95,
      newestAt: '2025-12-21T00:00:01.000Z',
      datasets: 0,
      trainingAllowed: true,
    });
    expect(await pairs.stats('nobody')).toMatchObject({ total: 0, meanConfidence: null, newestAt: null });
  });
}

function versions(ground: Ground): void {
  test('PD3 a version is frozen: count, digest, parts, number', async () => {
    const pairs = await ground.add(40);
    const one = await pairs.createDataset('acme', 'key-9', wanted());
    expect(one).toMatchObject({
      name: 'code',
      number: 1,
      count: 40,
      author: 'key-9',
      state: 'frozen',
      logIndex: null,
    });
    expect(one.train + one.test).toBe(40);
    expect(one.train).toBeGreaterThan(one.test);
    await pairs.onFinished(samplePairRun(), null);
    const two = await pairs.createDataset('acme', 'key-9', wanted());
    expect(two).toMatchObject({ number: 2, count: 41 });
    expect(two.sha256).not.toBe(one.sha256);
    expect(await pairs.getDataset('acme', 'code')).toEqual(two);
    expect(await pairs.getDataset('acme', 'code@1')).toEqual(one);
    expect(await pairs.getDataset('acme', one.id)).toEqual(one);
    expect((await pairs.listDatasets('acme', { limit: 10 })).items).toEqual([two, one]);
    expect(await codeOf(pairs.getDataset('acme', 'code@3'))).toBe('DATASET_NOT_FOUND');
    // The same rows under another name: the same digest.
    expect((await pairs.createDataset('acme', 'k', wanted({}, 'other'))).sha256).toBe(two.sha256);
  });

  test('PD3 the digest is that of the sorted lines of a jsonl export, each row on its side', async () => {
    const pairs = await ground.add(130);
    const dataset = await pairs.createDataset('acme', 'k', wanted());
    const { lines, end, events } = await exported(pairs, 'acme', 'code');
    const sorted = lines.map((line) => Buffer.from(`${line}\n`)).toSorted((a, b) => a.compare(b));
    expect(new Bun.CryptoHasher('sha256').update(Buffer.concat(sorted)).digest('hex')).toBe(dataset.sha256);
    expect(lines).toHaveLength(130);
    expect(end).toMatchObject({ refused: {}, datasetInfo: null });
    expect(end.files.map(({ part, rows }) => [part, rows])).toEqual([
      ['train', dataset.train],
      ['test', dataset.test],
    ]);
    let part = '';
    for (const event of events) {
      if (event.event === 'file') part = event.part;
      if (event.event === 'line') expect(part).toBe(partOf((JSON.parse(event.text) as { id: string }).id));
    }
  });
}

function choosing(ground: Ground): void {
  test('filters of a version; none left is refused', async () => {
    const pairs = await ground.add(3);
    const close = sampleRun(
      [0, 1].map((at) => sampleCandidate(at, sampleAnswer(`near ${at}`, 'valid'), { score: 0.9 - at * 0.1 })),
    );
    await pairs.onFinished({ ...close, finishedAt: close.finishedAt + 5_000 }, null);
    const count = async (filters: object) => (await pairs.createDataset('acme', 'k', wanted(filters))).count;
    expect(await count({})).toBe(4);
    expect(await count({ minConfidence: 0.61 })).toBe(3);
    expect(await count({ qualities: ['bronze', 'gold'] })).toBe(1);
    expect(await count({ sources: ['verification'] })).toBe(3);
    expect(await count({ requireRationale: true })).toBe(3);
    expect(await count({ since: '2025-12-21T00:00:02Z' })).toBe(1);
    expect(await count({ until: '2025-12-21T00:00:02Z' })).toBe(3);
    expect(await codeOf(count({ qualities: ['gold'] }))).toBe('DATASET_EMPTY');
  });

  test('PD2 rows that share 13 words with what is protected stay out', async () => {
    const secret = 'one two three four five six seven eight nine ten eleven twelve thirteen';
    async function* protectedTexts(tenant: string) {
      if (tenant === 'acme') yield await Promise.resolve(secret);
    }
    const pairs = await ground.open({ protectedTexts });
    const messages = [{ role: 'user', content: `Please: ${secret}.` }];
    for (const tenant of ['acme', 'other']) {
      await pairs.onFinished(samplePairRun({ tenant, request: { model: 'm', messages } }), null);
      await pairs.onFinished(samplePairRun({ tenant }), null);
    }
    expect((await pairs.createDataset('acme', 'k', wanted())).count).toBe(1);
    expect((await pairs.createDataset('other', 'k', wanted())).count).toBe(2);
  });
}

function deleting(ground: Ground): void {
  test('PD3 deleting rows taints the versions that hold them, and these are not exported', async () => {
    const pairs = await ground.add(3);
    const before = await pairs.createDataset('acme', 'k', wanted());
    const late = samplePairRun();
    await pairs.onFinished(late, null);
    const both = await pairs.createDataset('acme', 'k', wanted());
    expect(await pairs.remove('other', { run: late.id })).toEqual({ removed: 0, taintedDatasets: 0 });
    expect(await pairs.remove('acme', { run: late.id })).toEqual({ removed: 1, taintedDatasets: 1 });
    expect(await pairs.getDataset('acme', both.id)).toMatchObject({ state: 'tainted', count: 4 });
    expect(await pairs.getDataset('acme', before.id)).toMatchObject({ state: 'frozen' });
    expect(await codeOf(exported(pairs, 'acme', both.id))).toBe('DATASET_TAINTED');
    expect((await exported(pairs, 'acme', before.id)).lines).toHaveLength(3);
    const [first] = (await pairs.list('acme', { limit: 1 })).items;
    expect(await pairs.remove('other', { id: first!.id })).toEqual({ removed: 0, taintedDatasets: 0 });
    expect(await pairs.remove('acme', { id: first!.id })).toEqual({ removed: 1, taintedDatasets: 1 });
    expect(await pairs.remove('acme', { all: true })).toMatchObject({ removed: 2 });
    expect((await pairs.stats('acme')).total).toBe(0);
  });

  test('so many at once, and one more is refused', async () => {
    const pairs = await ground.add(1);
    const made = await Promise.all(
      Array.from({ length: freezesMost + 1 }, (_, at) =>
        codeOf(pairs.createDataset('acme', 'k', wanted({}, `v${at}`))),
      ),
    );
    expect(made.filter((code) => code === 'PAIRS_BUSY')).toHaveLength(1);
    const held = Promise.withResolvers<void>();
    const begun = new Set<number>();
    const slow = Array.from({ length: exportsMost }, (_, at) =>
      pairs.exportDataset('acme', 'v0', 'dpo', () => {
        begun.add(at);
        return held.promise;
      }),
    );
    while (begun.size < exportsMost) await Bun.sleep(5);
    expect(await codeOf(exported(pairs, 'acme', 'v0'))).toBe('PAIRS_BUSY');
    held.resolve();
    await Promise.all(slow);
    expect((await exported(pairs, 'acme', 'v0')).lines).toHaveLength(1);
  });

  test('PD3 a tenant that has not opted in exports nothing; asked at each export', async () => {
    let allowed = false;
    await ground.add(1);
    const pairs = await ground.open({ mayTrain: () => allowed });
    await pairs.createDataset('acme', 'k', wanted());
    expect(await codeOf(exported(pairs, 'acme', 'code'))).toBe('TRAINING_NOT_ALLOWED');
    allowed = true;
    expect((await exported(pairs, 'acme', 'code')).lines).toHaveLength(1);
  });
}

function logging(ground: Ground): void {
  test('PD3 logged as kind dataset; what the log refused is logged later, once', async () => {
    const entries: Uint8Array[] = [];
    let away = true;
    const add = (entry: Uint8Array) =>
      away ? Promise.reject(new Error('LOG_BUSY')) : Promise.resolve(entries.push(entry) - 1);
    const pairs = await ground.open({ log: { add } });
    await pairs.onFinished(samplePairRun(), null);
    const one = await pairs.createDataset('acme', 'k', wanted());
    expect(one.logIndex).toBeNull();
    away = false;
    await Promise.all([pairs.settle(), pairs.settle()]);
    const two = await pairs.createDataset('acme', 'k', wanted());
    expect([(await pairs.getDataset('acme', one.id)).logIndex, two.logIndex]).toEqual([0, 1]);
    expect(parseEntry(entries[0]!)).toMatchObject({ kind: 'dataset', id: one.id, sha256: one.sha256 });
    expect(Buffer.concat(entries).includes('acme')).toBe(false);
  });

  test('a row that is not what its id names is never exported', async () => {
    const pairs = await ground.add(2);
    await pairs.createDataset('acme', 'k', wanted());
    const [first] = (await pairs.list('acme', { limit: 1 })).items;
    const triplet = JSON.stringify({
      ...(await pairs.get('acme', first!.id)),
      chosen: [{ role: 'assistant', content: 'evil' }],
    });
    await ground.store.write(tester, (tx) =>
      tx.updateTable('arena_triplets').set({ triplet }).where('id', '=', first!.id).execute(),
    );
    expect(await codeOf(exported(pairs, 'acme', 'code'))).toBe('DATASET_DAMAGED');
    expect(await codeOf(pairs.get('acme', first!.id))).toBe('DATASET_DAMAGED');
    expect((await pairs.createDataset('acme', 'k', wanted())).count).toBe(1);
  });
}

function tenants(ground: Ground): void {
  test('P6 whatever two tenants do, neither sees a row of the other', async () => {
    const tenant = fc.constantFrom('acme', 'other');
    const step = fc.record({ tenant, what: fc.constantFrom('run', 'run', 'run', 'freeze', 'remove') });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const pairs = await ground.open();
        const versions: { tenant: string; id: string }[] = [];
        for (const { tenant, what } of steps) {
          // The same texts for both.
          const messages = [{ role: 'user', content: `q${steps.length}` }];
          if (what === 'run')
            await pairs.onFinished(samplePairRun({ tenant, request: { model: 'm', messages } }), null);
          if (what === 'remove') await pairs.remove(tenant, { all: true });
          if (what === 'freeze') {
            const made = await pairs.createDataset(tenant, 'k', wanted()).catch(() => undefined);
            if (made !== undefined) versions.push({ tenant, id: made.id });
          }
        }
        for (const tenant of ['acme', 'other']) {
          const { items } = await pairs.list(tenant, { limit: 200 });
          for (const { id } of items) {
            expect((await pairs.get(tenant, id)).tenant).toBe(tenant);
            expect(await codeOf(pairs.get(tenant === 'acme' ? 'other' : 'acme', id))).toBe('TRIPLET_NOT_FOUND');
          }
          for (const version of versions) {
            const got = await exported(pairs, tenant, version.id).catch((error: { code: string }) => error.code);
            if (version.tenant !== tenant) expect(got).toBe('DATASET_NOT_FOUND');
            else if (typeof got !== 'string') {
              for (const line of got.lines) expect((JSON.parse(line) as { tenant: string }).tenant).toBe(tenant);
            }
          }
          await pairs.remove(tenant, { all: true });
        }
      }),
      { numRuns: 12 },
    );
  }, 30_000);
}

function suite(name: string, openUrl: () => Promise<string>): void {
  describe(name, () => {
    const ground = new Ground(openUrl);
    beforeAll(() => ground.start(), 60_000);
    afterAll(() => ground.store?.[Symbol.asyncDispose]());
    beforeEach(() => ground.empty());
    for (const part of [keeping, versions, choosing, deleting, logging, tenants]) part(ground);
  });
}

onBothEngines(suite);
