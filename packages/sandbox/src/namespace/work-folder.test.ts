import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnedFds } from '../chain/owned-fds.ts';
import { collectFiles, isFull, takeWorkFolder } from './work-folder.ts';

const text = (content: string) => Buffer.from(content, 'base64').toString();

describe('files that a sandbox hands back', () => {
  let folder: string;
  let fd: number;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'collect-'));
    mkdirSync(join(folder, 'd/e'), { recursive: true });
    writeFileSync(join(folder, 'a'), 'hello');
    writeFileSync(join(folder, 'd/e/b'), 'below');
    writeFileSync(join(folder, 'big'), '');
    truncateSync(join(folder, 'big'), 1024 * 1024 * 1024);
    symlinkSync('/etc/passwd', join(folder, 'link'));
    symlinkSync('a', join(folder, 'inner-link'));
    symlinkSync('/etc', join(folder, 'folder-link'));
    symlinkSync('..', join(folder, 'd/up'));
    Bun.spawnSync(['mkfifo', join(folder, 'pipe')]);
    fd = openSync(folder, 'r');
  });
  afterAll(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  const collect = (paths: string[], bytesMax = 1000) => collectFiles(fd, paths, bytesMax);

  test('are plain files, at any depth', () => {
    const { files, isCut } = collect(['a', 'd/e/b']);
    expect(files.map(({ path, content }) => [path, text(content)])).toEqual([
      ['a', 'hello'],
      ['d/e/b', 'below'],
    ]);
    expect(isCut).toBe(false);
  });

  test('are never links, nor lie behind one', () => {
    expect(collect(['link', 'inner-link', 'folder-link/passwd', 'd/up/a', 'd/up/d/e/b'])).toEqual({
      files: [],
      isCut: false,
    });
  });

  test('are no folders, pipes or things that are not there', () => {
    expect(collect(['d', 'pipe', 'nothing', 'a/x', 'd/nothing/x']).files).toEqual([]);
  });

  test('have a bound on all of them together', () => {
    const { files, isCut } = collect(['a', 'big', 'd/e/b'], 1000);
    expect(files.map(({ content }) => Buffer.from(content, 'base64').length)).toEqual([5, 995, 0]);
    expect(isCut).toBe(true);
  });

  test('come once, however often they are named', () => expect(collect(['a', 'a']).files).toHaveLength(1));

  test('leave no descriptor open', () => {
    const count = () => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let turn = 0; turn < 20; turn++) collect(['a', 'd/e/b', 'link', 'd/up/a', 'pipe', 'nothing/x']);
    // Fewer: of tests before, whose streams are collected meanwhile.
    expect(count()).toBeLessThanOrEqual(before);
  });

  test('the host’s own /tmp is never taken for a sandbox’s', () => {
    using fds = new OwnedFds();
    expect(takeWorkFolder(fds, process.pid)).toBeUndefined();
    expect(takeWorkFolder(fds, 1)).toBeUndefined();
    expect(takeWorkFolder(fds, 2 ** 22 + 1)).toBeUndefined();
  });

  test('a folder with room is not full', () => {
    expect(isFull(fd)).toBe(false);
    expect(isFull(99_999)).toBe(false);
  });
});
