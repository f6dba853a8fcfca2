import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { LineFilter } from '../log-source.ts';
import { sinceStart, tailStart } from './file-start.ts';
import { GenerationReader } from './generation-reader.ts';
import { Generation, liveKey, markOf, noMark, siblingsOf } from './generations.ts';
import { KnownFiles } from './known-files.ts';
import { LogPaths } from './log-paths.ts';

const top = mkdtempSync(join(tmpdir(), 'labmesh-log-file-'));
afterAll(() => rmSync(top, { recursive: true }));
let folder = '';
let file = '';
let count = 0;
beforeEach(() => {
  folder = join(top, String(count++));
  mkdirSync(folder);
  file = join(folder, 'app.log');
});
const paths = () => LogPaths.open([`${top}/**`]);
const generation = async (path = file) => (await Generation.open(path, await paths()))!;

describe('where to begin', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'ü'), maxLength: 12 });

  test('LG-1 tail: the last n that are wanted, as reading the whole would find them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.boolean(), fc.integer({ min: 0, max: 12 }), async (lines, hasEnd, n) => {
        const text = lines.join('\n') + (hasEnd && lines.length > 0 ? '\n' : '');
        writeFileSync(file, text);
        const handle = await open(file);
        const size = Buffer.byteLength(text);
        const filter = new LineFilter({ grep: 'a' });
        const start = await tailStart(handle, size, n, filter, 0);
        await handle.close();
        const wanted = (part: string) =>
          part
            .replace(/\n$/, '')
            .split('\n')
            .filter((one) => one.includes('a'));
        expect(wanted(Buffer.from(text).toString('utf8', start))).toEqual(n === 0 ? [] : wanted(text).slice(-n));
      }),
      { numRuns: 200 },
    );
  });

  test('tail over many blocks, and over a line longer than any', async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `line ${i}`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    const handle = await open(file);
    const { size } = await handle.stat();
    const start = await tailStart(handle, size, 20_000, new LineFilter({}), 0);
    const rest = Buffer.alloc(20);
    await handle.read(rest, 0, 20, start);
    expect(rest.toString()).toStartWith('line 10000\n');
    appendFileSync(file, `${'x'.repeat(3_000_000)}\nlast\n`);
    const longer = await handle.stat();
    expect(await tailStart(handle, longer.size, 1, new LineFilter({}), 0)).toBe(longer.size - 5);
    await handle.close();
  });

  test('since: never past the first line that counts', async () => {
    const at = (i: number) => new Date(1_700_000_000_000 + i * 1000).toISOString();
    writeFileSync(file, Array.from({ length: 30_000 }, (_, i) => `${at(i)} ${'.'.repeat(90)}\n`).join(''));
    const handle = await open(file);
    const { size } = await handle.stat();
    for (const i of [0, 1, 15_000, 29_999, 40_000]) {
      const start = await sinceStart(handle, size, 1_700_000_000_000 + i * 1000, Date.now());
      expect(start % 116).toBe(0);
      expect(start).toBeLessThanOrEqual(i * 116);
    }
    expect(await sinceStart(handle, size, 1_700_000_000_000 + 29_999_000, Date.now())).toBeGreaterThan(
      size - 2_000_000,
    );
    await handle.close();
  });
});

describe('LG-2 places', () => {
  test('bytes behind a place, none at its end, undefined where the file is another', async () => {
    writeFileSync(file, 'one\ntwo\n');
    await using file1 = await generation();
    const mark = markOf(Buffer.from('one\n'));
    expect(Buffer.from((await file1.readAfter(4, mark))!).toString()).toBe('two\n');
    expect(await file1.readAfter(8, markOf(Buffer.from('one\ntwo\n')))).toHaveLength(0);
    expect(await file1.readAfter(4, markOf(Buffer.from('ONE\n')))).toBeUndefined();
    truncateSync(file, 2);
    expect(await file1.readAfter(4, mark)).toBeUndefined();
    expect(await file1.readAfter(0, noMark)).toHaveLength(2);
  });

  test('a reader goes on in a copy in the middle of a line', async () => {
    writeFileSync(file, 'one\ntw');
    const reader = await GenerationReader.at(await generation(), 0);
    expect(await reader.next()).toMatchObject([{ text: 'one' }]);
    appendFileSync(file, 'o\nthree\n');
    copyFileSync(file, `${file}.1`);
    truncateSync(file);
    expect(await reader.next()).toBe('truncated');
    await using copy = await generation(`${file}.1`);
    expect(await reader.fits(copy)).toBe(true);
    const moved = reader.movedTo(copy);
    expect(await moved.next()).toMatchObject([{ text: 'two' }, { text: 'three' }]);
    expect(await moved.next()).toBe('end');
    await reader.file[Symbol.asyncDispose]();
  });

  test('what is a rotated file, and what only looks like one', async () => {
    const names = ['app.log.1', 'app.log.2.gz', 'app.log-20250101', 'app-2025-01-01.log', 'app.1.log', 'app.log.old'];
    const others = ['app-error.log', 'app.log.swp', 'other.log.1', 'app.log1', 'xapp.log.1', 'app.log.1.tmp'];
    for (const name of [...names, ...others, 'app.log']) writeFileSync(join(folder, name), name);
    const found = (await siblingsOf(file)).map(({ path }) => path.slice(folder.length + 1));
    expect(found.toSorted()).toEqual(names.filter((name) => !name.endsWith('.gz')).toSorted());
    expect(await siblingsOf(join(folder, 'none/x.log'))).toEqual([]);
    expect(await liveKey(join(folder, 'none'))).toBeUndefined();
  });
});

describe('known files', () => {
  const unread = async (known: KnownFiles) => {
    const found = await known.nextUnread(async () => true);
    const head = found === undefined ? undefined : Buffer.from(await found.head()).toString();
    await found?.[Symbol.asyncDispose]();
    return head;
  };

  test('what was there before is known, what comes is not, what was read is', async () => {
    writeFileSync(`${file}.1`, 'old');
    const known = new KnownFiles(file, await paths());
    await known.takeAll();
    expect(await unread(known)).toBeUndefined();
    renameSync(`${file}.1`, `${file}.2`);
    writeFileSync(`${file}.1`, 'new');
    expect(await unread(known)).toBe('new');
    await using read = await generation(`${file}.1`);
    await known.take(read);
    expect(await unread(known)).toBeUndefined();
  });

  test('`rotate 1` writes into the same inode: another beginning is another file', async () => {
    writeFileSync(`${file}.1`, 'first');
    const known = new KnownFiles(file, await paths());
    await known.takeAll();
    await Bun.sleep(20);
    writeFileSync(`${file}.1`, 'second');
    expect(await unread(known)).toBe('second');
  });

  test('a touched file is the same, an empty one none', async () => {
    writeFileSync(`${file}.1`, 'first');
    const known = new KnownFiles(file, await paths());
    await known.takeAll();
    await Bun.sleep(20);
    appendFileSync(`${file}.1`, ' and more');
    writeFileSync(`${file}.2`, '');
    expect(await unread(known)).toBeUndefined();
  });

  test('nothing stays open', async () => {
    for (let i = 1; i < 20; i++) writeFileSync(`${file}.${i}`, String(i));
    const known = new KnownFiles(file, await paths());
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 5; i++) await known.nextUnread(async () => false);
    await known.takeAll();
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before + 1);
  });
});

describe('LG-2 log_paths', () => {
  test('globs', async () => {
    const allowed = await LogPaths.open(['/var/log/**', '/srv/*/log/*.log', '/one/file']);
    for (const path of ['/var/log/a', '/var/log/a/b/c', '/srv/x/log/y.log', '/one/file']) {
      expect(allowed.allows(path)).toBe(true);
    }
    for (const path of [
      '/var/logs',
      '/var/log/../x',
      '/srv/x/y/log/z.log',
      '/srv/x/log/y.txt',
      '/one/file2',
      '/etc/passwd',
      '',
    ]) {
      expect(allowed.allows(path)).toBe(false);
    }
  });

  test('no path with `..` is ever allowed', async () => {
    const allowed = await LogPaths.open(['/**', '/var/log/**']);
    const part = fc.constantFrom('..', 'var', 'log', 'a', '.', '');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        if (parts.includes('..')) expect(allowed.allows(`/${parts.join('/')}`)).toBe(false);
      }),
    );
  });

  test('a link swapped in after the look leads nowhere: the open file is asked for its name', async () => {
    const outside = join(top, 'outside');
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, 'x.log'), 'SECRET');
    const inside = join(folder, 'in');
    mkdirSync(join(inside, 'd'), { recursive: true });
    writeFileSync(join(inside, 'd/x.log'), 'fine');
    const allowed = await LogPaths.open([`${inside}/**`]);
    const script = 'while :; do mv "$0" "$0.a" && ln -s "$1" "$0"; rm -f "$0"; mv "$0.a" "$0"; done';
    const child = Bun.spawn(['sh', '-c', script, join(inside, 'd'), outside], {
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    let read = 0;
    for (const until = performance.now() + 1000; performance.now() < until;) {
      const handle = await allowed.read(join(inside, 'd/x.log')).catch(() => undefined);
      if (handle === undefined) continue;
      read += 1;
      const buffer = Buffer.alloc(10);
      const { bytesRead } = await handle.read(buffer, 0, 10, 0);
      expect(buffer.toString('utf8', 0, bytesRead)).toBe('fine');
      await handle.close();
    }
    child.kill('SIGKILL');
    expect(read).toBeGreaterThan(0);
    symlinkSync(outside, join(inside, 'link'));
    expect(await thrower(allowed.read(join(inside, 'link/x.log')))).toThrow('log_paths');
  }, 20_000);
});
