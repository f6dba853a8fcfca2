/** Backups that are sealed well and hold nonsense: whoever has the passphrase is not trusted with more than rows. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '@labmesh/store/open-store';
import { tarEnd, tarFile } from './tar.ts';
import { linesOf, restore } from './testing/restored.ts';

setDefaultTimeout(30_000);
let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'labmesh-hostile-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const manifest = {
  version: 1,
  createdAt: 0,
  engine: 'sqlite',
  release: '',
  keyIds: [],
  withKey: false,
  recordings: false,
};
const counts = (tables: Record<string, number> = {}) => ({ tables, recordings: 0, recordingsMissing: 0 });
const setting = { key: 'a', value: 'b', updated_at: 1 };
type File = readonly [name: string, text: string];
const json = (name: string, value: unknown): File => [name, JSON.stringify(value)];
const line = (value: unknown) => `${JSON.stringify(value)}\n`;

async function attempt(files: readonly File[]) {
  const content = async function* tar() {
    await Promise.resolve();
    for (const [name, text] of files) yield tarFile(name, Buffer.from(text), 0);
    yield tarEnd;
  };
  const store = await openStore({ url: 'sqlite::memory:' });
  const backup = { createdAt: 0, content };
  const restored = restore({ store, backup, keys: { dataDir: join(dir, 'data') } });
  const error: unknown = await restored.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  const rows = await linesOf(store);
  await store[Symbol.asyncDispose]();
  return { error, rows };
}

test('the smallest backup there is', async () => {
  const { error, rows } = await attempt([
    json('manifest.json', manifest),
    ['tables/settings.000001.jsonl', line(setting)],
    json('counts.json', counts({ settings: 1 })),
  ]);
  expect(error).toBeUndefined();
  expect(rows.filter((row) => row.startsWith('settings {"key":"a"'))).toHaveLength(1);
});

const head = json('manifest.json', manifest);
const end = json('counts.json', counts());
test.each<[string, readonly File[]]>([
  ['nothing', []],
  ['no manifest', [end]],
  ['no counts', [head]],
  ['a manifest of another release', [json('manifest.json', { ...manifest, version: 2 }), end]],
  ['a manifest with more', [json('manifest.json', { ...manifest, extra: 1 }), end]],
  ['a manifest that is no JSON', [['manifest.json', '{'], end]],
  ['a manifest that comes late', [end, head]],
  ['a key file without end', [head, ['kek.key', 'x'.repeat(1024 * 1024 + 1)], end]],
  ['keys that are no rows', [head, ['tables/secret_keys.000001.jsonl', line({ id: 1 })], end]],
])('%s: refused, and nothing is written', async (_, files) => {
  const { error, rows } = await attempt(files);
  expect(error).toMatchObject({ code: 'VALIDATION_FAILED' });
  expect(rows).toEqual([]);
});

test.each<[string, File, Record<string, number>]>([
  ['an unknown table', ['tables/sqlite_master.000001.jsonl', line({ name: 'x' })], {}],
  ['an unknown column', ['tables/settings.000001.jsonl', line({ ...setting, more: 1 })], { settings: 1 }],
  ['a value of another type', ['tables/settings.000001.jsonl', line({ ...setting, value: 7 })], { settings: 1 }],
  ['a row twice', ['tables/settings.000001.jsonl', line(setting) + line(setting)], { settings: 2 }],
  ['a row too few', ['tables/settings.000001.jsonl', line(setting)], { settings: 2 }],
  ['a file that ends within a row', ['tables/settings.000001.jsonl', '{"key":"a"'], { settings: 1 }],
  ['a row that is no object', ['tables/settings.000001.jsonl', line([1])], { settings: 1 }],
])('%s: refused', async (_, file, tables) => {
  const { error } = await attempt([head, file, json('counts.json', counts(tables))]);
  expect(error).toMatchObject({ code: 'VALIDATION_FAILED' });
});
