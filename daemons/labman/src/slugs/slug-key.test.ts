import { afterEach, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSlugKey } from './slug-key.ts';

const folder = mkdtempSync(join(tmpdir(), 'slug-key-'));
const dir = join(folder, 'state');
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('the key is made once, and only its owner may read it', () => {
  const key = loadSlugKey(dir);
  expect(key.length).toBe(32);
  expect(statSync(join(dir, 'slug.key')).mode & 0o777).toBe(0o600);
  expect(loadSlugKey(dir)).toEqual(key);
  expect(readdirSync(dir)).toEqual(['slug.key']);
});

test('a key that others may read is closed again', () => {
  loadSlugKey(dir);
  chmodSync(join(dir, 'slug.key'), 0o644);
  loadSlugKey(dir);
  expect(statSync(join(dir, 'slug.key')).mode & 0o777).toBe(0o600);
});

test('a damaged key is never replaced', () => {
  loadSlugKey(dir);
  writeFileSync(join(dir, 'slug.key'), 'short');
  expect(() => loadSlugKey(dir)).toThrow(/holds 5 bytes instead of 32; restore it/);
});

test('a folder that cannot be made is an error with a way out', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => loadSlugKey(join(folder, 'file', 'below'))).toThrow(/slug_scheme = "classic"/);
});
