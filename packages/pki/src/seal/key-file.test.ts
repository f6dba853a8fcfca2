import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newKek } from './kek.ts';
import { addToKeyFile, createKeyFile, readKeyFile, sweepKeyDrafts } from './key-file.ts';
import { SecretsRefused } from './secrets-refused.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-keys-'));
  path = join(folder, 'deep', 'kek.key');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('made once, 0600; keys are added at the end (SE-2)', async () => {
  const [a, b, c] = [newKek(), newKek(), newKek()];
  expect(await readKeyFile(path)).toBeUndefined();
  expect(await createKeyFile(path, a)).toBe(true);
  expect(await createKeyFile(path, b)).toBe(false);
  await addToKeyFile(path, c);
  expect((await readKeyFile(path))?.map(({ id }) => id)).toEqual([a.id, c.id]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, 'deep'))).toEqual(['kek.key']);
  expect(readFileSync(path, 'utf8')).toContain(`base64:${Buffer.from(a.key).toString('base64')}\n`);
});

test('no key is added that would make it too large to be read', async () => {
  await createKeyFile(path, newKek());
  const lines = Array.from({ length: 1_270 }, () => `base64:${Buffer.from(newKek().key).toString('base64')}\n`);
  const kept = Math.floor((64 * 1024) / (lines[0]?.length ?? 1));
  writeFileSync(path, lines.slice(0, kept).join(''));
  expect(await thrower(addToKeyFile(path, newKek()))).toThrow('holds too many keys');
  expect(await readKeyFile(path)).toHaveLength(kept);
});

test('of ten that make it at once, one wins and its key stays', async () => {
  const keys = Array.from({ length: 10 }, newKek);
  const made = await Promise.all(keys.map((kek) => createKeyFile(path, kek)));
  expect(made.filter(Boolean)).toHaveLength(1);
  expect((await readKeyFile(path))?.map(({ id }) => id)).toEqual([keys[made.indexOf(true)]!.id]);
});

test.each(['base64:abc', 'base64:', 'AAAA', `base64:${'A'.repeat(44)}`, 'k1 base64:'])(
  'a line that is no key is refused by its number: %s',
  async (line) => {
    await createKeyFile(path, newKek());
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n${line}\n`);
    const error: unknown = await readKeyFile(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SecretsRefused);
    expect((error as SecretsRefused).message).toContain('kek.key:4');
    expect((error as SecretsRefused).exitCode).toBe(78);
  },
);

test('a file that others can read is refused with the way out', async () => {
  await createKeyFile(path, newKek());
  chmodSync(path, 0o644);
  expect(await thrower(readKeyFile(path))).toThrow(`chmod 600 '${path}'`);
});

test('drafts that a killed process left are removed; what is not one of ours stays', async () => {
  await createKeyFile(path, newKek());
  const draft = (name: string) => {
    const file = join(folder, 'deep', name);
    writeFileSync(file, 'base64:x', { mode: 0o600 });
    return file;
  };
  const left = draft(`kek.key.${crypto.randomUUID()}.tmp`);
  const others = [`kek.key.${crypto.randomUUID()}.tmp.bak`, 'kek.key.mine.tmp', `other.key.${crypto.randomUUID()}.tmp`];
  others.map(draft);
  symlinkSync(path, join(folder, 'deep', `kek.key.${crypto.randomUUID()}.tmp`));
  // One that is being written now is left to its writer.
  expect(await sweepKeyDrafts(path)).toBe(0);
  expect(existsSync(left)).toBe(true);
  expect(await sweepKeyDrafts(path, Date.now() + 61_000)).toBe(1);
  expect(existsSync(left)).toBe(false);
  expect(readdirSync(join(folder, 'deep'))).toHaveLength(1 + others.length + 1);
  expect(await readKeyFile(path)).toHaveLength(1);
  expect(await sweepKeyDrafts('/nowhere/kek.key')).toBe(0);
});
