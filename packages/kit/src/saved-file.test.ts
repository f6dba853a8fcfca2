import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readPrivateFile, SavedFile, writePrivateFile } from './saved-file.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'labmesh-saved-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function savedFile(path: string, errors: unknown[] = []) {
  const state = { text: 'a' };
  const file = new SavedFile({ path, render: () => state.text, delayMs: 10, onError: (error) => errors.push(error) });
  return { state, file };
}

test('writes 0600 in a folder of its own and leaves no draft', () => {
  const path = join(folder, 'deep/state.json');
  writePrivateFile(path, 'x');
  expect(readPrivateFile(path)).toBe('x');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'deep')).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(folder, 'deep'))).toEqual(['state.json']);
  expect(readPrivateFile(join(folder, 'nothing'))).toBeUndefined();
});

test('a write that fails keeps the old file and leaves no draft', () => {
  const path = join(folder, 'taken');
  mkdirSync(join(path, 'inside'), { recursive: true });
  expect(() => writePrivateFile(path, 'x')).toThrow();
  expect(readdirSync(folder)).toEqual(['taken']);
});

/** A disk takes its time. */
async function told(path: string, text: string): Promise<void> {
  for (let turn = 0; readPrivateFile(path) !== text && turn < 200; turn++) await Bun.sleep(10);
  expect(readPrivateFile(path)).toBe(text);
}

test('changes are gathered, the last one wins, also over a late write on its way', async () => {
  const path = join(folder, 'state');
  const { state, file } = savedFile(path);
  file.saveSoon();
  state.text = 'b';
  file.saveSoon();
  await told(path, 'b');
  file.saveSoon();
  await Bun.sleep(11);
  state.text = 'c';
  file.saveNow();
  await Bun.sleep(40);
  expect(readFileSync(path, 'utf8')).toBe('c');
});

test('a failing late write is told and tried again, and ends with the disk', async () => {
  const path = join(folder, 'state');
  mkdirSync(path);
  const errors: unknown[] = [];
  const { file } = savedFile(path, errors);
  file.saveSoon();
  for (let turn = 0; errors.length === 0 && turn < 200; turn++) await Bun.sleep(10);
  expect(errors.length).toBeGreaterThan(0);
  rmSync(path, { recursive: true });
  await told(path, 'a');
});

test('what is pending is written when it ends', () => {
  const path = join(folder, 'state');
  const { file } = savedFile(path);
  file.saveSoon();
  file[Symbol.dispose]();
  expect(readFileSync(path, 'utf8')).toBe('a');
});
