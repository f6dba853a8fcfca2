import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPairs, type Pairs } from '@labmesh/arena/pairs/pairs';
import { addRunRows } from '@labmesh/arena/pairs/testing/run-rows';
import { sampleAnswer, sampleCandidate, samplePairRun, sampleRun } from '@labmesh/arena/pairs/testing/sample-run';
import { pairsRoutes } from '@labmesh/arena/serve/pairs-routes';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { SqlStore } from '@labmesh/store/sql-store';
import { parquetReadObjects } from 'hyparquet';
import { dispatch } from '../../dispatch.ts';
import { testWorld } from '../../testing/test-world.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-datasets-'));
let store: SqlStore;
let pairs: Pairs;
let server: ReturnType<typeof Bun.serve>;
/** Answers instead of the arena's, for one test. */
let instead: Response | undefined;

beforeAll(async () => {
  store = await openStore({ url: 'sqlite::memory:', clock: new FakeClock() });
  const mayTrain = (tenant: string) => tenant === 'acme';
  pairs = await openPairs({ store, clock: new FakeClock(), logger: silentLogger, mayTrain, keeps: mayTrain });
  for (let at = 0; at < 30; at++) await pairs.onFinished(samplePairRun(), 'cert-1');
  await pairs.onFinished(samplePairRun({ tenant: 'other' }), null);
  const bad = [
    { role: 'user', content: 'a' },
    { role: 'user', content: 'b' },
  ];
  await pairs.onFinished(samplePairRun({ request: { model: 'm', messages: bad } }), null);
  const app = pairsRoutes(pairs);
  // As the gateway does: the key says whose request it is.
  const fetch = (request: Request) => {
    if (instead !== undefined) return instead;
    const key = request.headers.get('authorization')?.replace('Bearer ', '') ?? '';
    const tenant = { 'key-a': 'acme', 'key-o': 'other' }[key];
    if (tenant === undefined)
      return Response.json({ error: { message: 'no', code: 'invalid_api_key' } }, { status: 401 });
    const headers = new Headers(request.headers);
    headers.set('x-labmesh-tenant', tenant);
    headers.set('x-labmesh-key', key);
    return app.fetch(new Request(request, { headers }));
  };
  server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch });
});
afterAll(async () => {
  await server.stop(true);
  await store[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

async function labctl(words: string, key = 'key-a') {
  const env = { HOME: root, LABMESH_API: `http://127.0.0.1:${server.port}/v1`, LABMESH_API_KEY: key };
  const world = testWorld({ env });
  const exitCode = await dispatch(`datasets ${words}`.split(' '), world);
  return { exitCode, ...world.said };
}
const json = async (words: string): Promise<unknown> => JSON.parse((await labctl(`${words} --json`)).stdout);

describe('datasets', () => {
  test('stats and triplets', async () => {
    expect(await json('stats')).toMatchObject({ total: 31, qualities: { silver: 31 }, trainingAllowed: true });
    expect((await labctl('stats')).stdout).toContain('silver=31');
    expect((await labctl('stats', 'key-o')).stdout).toContain('not allowed');
    const { stdout, stderr } = await labctl('triplets --limit 3 --quality silver');
    expect(stdout.trim().split('\n')).toHaveLength(4);
    expect(stderr).toContain('--cursor ');
    expect((await labctl('triplets --quality gold')).stdout).toBe('no pairs\n');
  });

  test('create, list, show', async () => {
    expect((await labctl('list')).stdout).toContain('labctl datasets create');
    const made = await labctl('create code --min-confidence 0.5 --quality silver --since 3650d');
    expect(made).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('code@1') });
    expect(await json('show code')).toMatchObject({
      count: 31,
      filters: { minConfidence: 0.5, qualities: ['silver'] },
    });
    expect((await labctl('list')).stdout).toContain('code@1');
    expect((await labctl('show code@1')).stdout).toContain('31 (');
  });

  test('export for LLaMA-Factory: a folder, what was left out, progress', async () => {
    const out = join(root, 'code');
    const { exitCode, stdout, stderr } = await labctl(`export code --format llamafactory_sharegpt --out ${out}`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${out}\n` });
    expect(stderr).toContain('1 TURN_ORDER');
    const files = readdirSync(out).toSorted();
    expect(files).toEqual(['code-v1-test.jsonl', 'code-v1-train.jsonl', 'dataset_info.json', 'manifest.json']);
    const read = (name: string): Record<string, { file_name: string }> =>
      JSON.parse(readFileSync(join(out, name), 'utf8'));
    for (const { file_name: name } of Object.values(read('dataset_info.json'))) expect(files).toContain(name);
    expect(await labctl(`export code --out ${out}`)).toMatchObject({ exitCode: 8 });
  });

  test('export as Parquet: a reader finds the rows that the manifest counts', async () => {
    const out = join(root, 'parquet');
    const told = (await json(`export code --format hf_chat_parquet --out ${out}`)) as {
      files: { name: string; rows: number; sha256: string }[];
    };
    expect(told.files.length).toBeGreaterThan(0);
    for (const { name, rows, sha256 } of told.files) {
      expect(name).toEndWith('.parquet');
      const bytes = readFileSync(join(out, name));
      expect(new Bun.CryptoHasher('sha256').update(bytes).digest('hex')).toBe(sha256);
      const found = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
      expect(found).toHaveLength(rows);
      expect(found[0]).toMatchObject({ prompt: [{ role: 'user' }], chosen: [{ role: 'assistant' }] });
    }
  });

  test('export --json; the digest of the version is that of the sorted lines', async () => {
    const out = join(root, 'plain');
    const told = (await json(`export code --format jsonl --out ${out}`)) as {
      folder: string;
      dataset: { sha256: string };
      files: { name: string }[];
    };
    const lines = told.files.flatMap(({ name }) => readFileSync(join(out, name), 'utf8').split(/(?<=\n)/));
    const sorted = lines.map((line) => Buffer.from(line)).toSorted((a, b) => a.compare(b));
    expect(new Bun.CryptoHasher('sha256').update(Buffer.concat(sorted)).digest('hex')).toBe(told.dataset.sha256);
  });

  test.each([
    ['show', 2],
    ['show ../x', 2],
    ['show none', 5],
    ['create Bad', 2],
    ['create x --quality gold', 8],
    ['create x --since never', 2],
    ['export none', 5],
    ['export code --format chains', 8],
    ['list --limit 201', 2],
    ['list --cursor zz', 2],
  ])('%s ends with %p', async (words, exitCode) => {
    const told = await labctl(words.startsWith('export code') ? `${words} --out ${join(root, 'none')}` : words);
    expect(told).toMatchObject({ exitCode, stdout: '' });
    expect(existsSync(join(root, 'none'))).toBe(false);
  });

  test('who has not opted into training gets nothing, and neither does a stranger', async () => {
    await labctl('create code', 'key-o');
    expect(await labctl('export code', 'key-o')).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('training.tenants'),
    });
    expect((await labctl('list', 'key-x')).exitCode).not.toBe(0);
  });

  test.each([
    ['no export', 'hello'],
    ['cut off', '{"event":"start"'],
    ['nothing', ''],
    ['a file with a way up', '{"event":"file","name":"../x","part":"train"}\n'],
  ])('an answer that is %s writes nothing', async (_, text) => {
    instead = new Response(text);
    const told = await labctl(`export code --out ${join(root, 'none')}`);
    instead = undefined;
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(readdirSync(root).filter((name) => name.startsWith('none'))).toEqual([]);
  });

  test('corrections as chains', async () => {
    const [bad, good] = [sampleAnswer('bad', 'invalid'), sampleAnswer('mended', 'valid')];
    const prompt = { role: 'user', content: 'mend it' };
    const attempt = { attempt: 1, failures: ['code_linter'], prompt, result: good, success: true, latencyMs: 1 };
    await pairs.onFinished(sampleRun([sampleCandidate(0, good, { original: bad, corrections: [attempt] })]), null);
    await labctl('create mended --source self_correction');
    const out = join(root, 'chains');
    expect((await labctl(`export mended --format chains --out ${out}`)).exitCode).toBe(0);
    const [name = ''] = readdirSync(out).filter((one) => one.endsWith('.jsonl'));
    expect(JSON.parse(readFileSync(join(out, name), 'utf8'))).toMatchObject({
      attempts: 1,
      failure_types: ['code_linter'],
    });
  });

  test('PD6 a batch is proposed, listed, approved; how far its pairs came', async () => {
    expect((await labctl('batches')).stdout).toBe('nothing was proposed yet\n');
    for (let at = 0; at < 3; at++) await pairs.onFinished(samplePairRun(), null);
    await pairs.batches.propose(1, false, (tenant) => tenant === 'acme');
    const [batch] = ((await json('batches')) as { batches: { id: string; state: string; pairs: number }[] }).batches;
    expect(batch).toMatchObject({ state: 'proposed' });
    expect((await labctl('batches')).stdout).toContain('proposed');
    expect(await labctl(`approve ${batch?.id}`, 'key-o')).toMatchObject({ exitCode: 5 });
    expect(await labctl(`approve ${batch?.id} --name Bad`)).toMatchObject({ exitCode: 2 });
    const approved = await labctl(`approve ${batch?.id} --name wheel`);
    expect(approved.exitCode).toBe(0);
    for (const said of ['frozen', 'wheel (']) expect(approved.stdout).toContain(said);
    expect(await json('show wheel')).toMatchObject({ filters: { pending: true }, stage: 'processed', author: 'key-a' });
    expect(await labctl(`reject ${batch?.id}`)).toMatchObject({ exitCode: 8 });
    expect(await labctl('create none --pending')).toMatchObject({ exitCode: 8 });
    expect(await labctl('stage wheel training')).toMatchObject({ exitCode: 8 });
    await labctl(`export wheel --out ${join(root, 'wheel')}`);
    for (const stage of ['training', 'failed', 'training', 'completed']) {
      expect(await json(`stage wheel ${stage}`)).toMatchObject({ stage });
    }
    expect((await labctl('stats')).stdout).toMatch(/completed=[1-9]/);
    expect(await labctl('stage wheel done')).toMatchObject({ exitCode: 2 });
  });

  test('PD6 a batch is rejected', async () => {
    await pairs.onFinished(samplePairRun(), null);
    await pairs.batches.propose(1, false, () => true);
    const found = (await json('batches --limit 1')) as { batches: { id: string }[] };
    expect(await json(`reject ${found.batches[0]?.id}`)).toMatchObject({ state: 'rejected', decidedBy: 'key-a' });
    expect(await labctl('reject')).toMatchObject({ exitCode: 2 });
    expect(await labctl('approve 0199-none')).toMatchObject({ exitCode: 5 });
  });

  test('PD2 people agree: a gold pair; who said what', async () => {
    const run = await addRunRows(store, { id: 'run-of-people', answers: ['valid', 'valid'] });
    expect((await labctl('labels')).stdout).toBe('nobody said anything yet\n');
    const said = await labctl(`label ${run} 1 0 --confidence 0.9 --category logic_error --because zero`);
    expect(said.exitCode).toBe(0);
    expect(said.stdout).toMatch(/Better +1\n/);
    expect(await json('triplets --quality gold')).toMatchObject({ triplets: [{ runId: run, source: 'human' }] });
    expect(await json(`labels --run ${run}`)).toMatchObject({
      labels: [{ a: 0, b: 1, winner: 'b', reviewer: 'key-a', rationales: [{ description: 'zero' }] }],
    });
    expect((await labctl('labels')).stdout).toContain('0.90');
    expect(await json(`label ${run} 0 1 --tie`)).toMatchObject({ consensus: { winner: 'tie', pairId: null } });
    for (const words of [
      `label ${run}`,
      `label ${run} 0`,
      `label ${run} 0 x`,
      `label ${run} 0 1 --because x`,
      `label ${run} 1 1`,
    ]) {
      expect([words, (await labctl(words)).exitCode]).toEqual([words, 2]);
    }
    expect((await labctl(`label ${run} 0 1`, 'key-o')).exitCode).toBe(5);
  });

  test('PD3 pairs are forgotten: one, of a run, all; never without a word of what', async () => {
    const run = samplePairRun();
    await pairs.onFinished(run, null);
    expect(await labctl('forget')).toMatchObject({ exitCode: 2 });
    expect(await labctl(`forget x --all --yes`)).toMatchObject({ exitCode: 2 });
    expect(await labctl(`forget --run ${run.id}`)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--yes'),
    });
    expect(await labctl('forget no-such-pair --yes')).toMatchObject({ exitCode: 5 });
    const shown = await labctl(`forget --run ${run.id} --yes`);
    expect(shown).toMatchObject({ exitCode: 0, stdout: 'deleted: 1 pairs; 0 versions are tainted\n' });
    const { triplets } = (await json('triplets --limit 1')) as { triplets: { id: string }[] };
    expect(await json(`forget ${triplets[0]?.id} --yes`)).toMatchObject({ removed: 1 });
    expect(await labctl('forget --all --yes', 'key-o')).toMatchObject({ exitCode: 0 });
    expect(await json('forget --all --yes')).toMatchObject({ removed: expect.any(Number) });
    expect(await json('stats')).toMatchObject({ total: 0 });
  });
});
