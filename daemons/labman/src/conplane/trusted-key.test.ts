import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dropTrusted, isTrusted, readTrusted, writeTrusted } from './trusted-key.ts';

let stateDir = '';
beforeEach(() => (stateDir = mkdtempSync(join(tmpdir(), 'labmesh-trusted-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

test('the last key of each kind is let in, and no earlier one', () => {
  const [sha, otherSha] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
  const key = `${'A'.repeat(43)}=`;
  const known = () => [sha, otherSha, key, ''].map((one) => isTrusted(readTrusted(stateDir), one));
  expect(known()).toEqual([false, false, false, false]);
  writeTrusted(stateDir, sha);
  writeTrusted(stateDir, key);
  expect(known()).toEqual([true, false, true, false]);
  writeTrusted(stateDir, otherSha);
  expect(known()).toEqual([false, true, true, false]);
  dropTrusted(stateDir, sha);
  expect(known()).toEqual([false, true, true, false]);
  dropTrusted(stateDir, otherSha);
  expect(known()).toEqual([false, false, true, false]);
  dropTrusted(stateDir, key);
  expect(readTrusted(stateDir)).toBeUndefined();
});
