/** AG-7: what is shipped is never a file that only a link of somebody else leads to. */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { lchownSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import fc from 'fast-check';
import { fileSource } from '../../ship/ship-source.ts';
import { caughtUp } from '../log-source.ts';
import { followLinks, mayFollow } from './follow-links.ts';
import { LogPaths } from './log-paths.ts';

const top = await realpath(mkdtempSync(join(tmpdir(), 'labmesh-links-')));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let folder = '';
let count = 0;
beforeEach(() => {
  folder = join(top, String(count++));
  mkdirSync(join(folder, 'app'), { recursive: true });
  mkdirSync(join(folder, 'audit'));
  writeFileSync(join(folder, 'audit', 'audit.log'), 'SECRET\n');
});
const isRoot = process.getuid?.() === 0;
const user = 65_534;
const paths = () => LogPaths.open([`${top}/**`], 'own');

test('a walk ends where the kernel ends, over any links', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('.', '..', 'app', 'l1', 'l2', 'l3', ''), { maxLength: 8 }),
      async (way) => {
        for (const [name, to] of [
          ['l1', 'app'],
          ['l2', join(folder, 'l1')],
          ['app/l3', '../l2/..'],
        ] as const) {
          rmSync(join(folder, name), { force: true });
          symlinkSync(to, join(folder, name));
        }
        const path = `${folder}/${way.join('/')}`;
        const expected = await realpath(path).catch(() => 'nowhere');
        const found = await followLinks(path).then(
          ({ real }) => real,
          () => 'nowhere',
        );
        expect(found).toBe(expected);
      },
    ),
    { numRuns: 100 },
  ));

test('a ring of links ends', async () => {
  symlinkSync('b', join(folder, 'a'));
  symlinkSync('a', join(folder, 'b'));
  expect(await thrower(followLinks(join(folder, 'a')))).toThrow('too many links');
});

test('root may link anywhere, others to what is their own', () => {
  expect([mayFollow([], 0), mayFollow([0, 0], 7), mayFollow([7, 0], 7)]).toEqual([true, true, true]);
  expect([mayFollow([7], 0), mayFollow([0, 7], 8)]).toEqual([false, false]);
});

describe.skipIf(!isRoot)('links of another user (needs root: chown)', () => {
  const log = () => join(folder, 'app', 'app.log');
  const linkOf = (owner: number, path: string, to: string) => {
    symlinkSync(to, path);
    lchownSync(path, owner, owner);
  };
  const read = async (path: string) => {
    const handle = await (await paths()).read(path);
    const text = await handle?.readFile('utf8');
    await handle?.close();
    return text;
  };
  const audit = () => join(folder, 'audit', 'audit.log');

  test('to a file of root: refused; of the user, and one that root made: followed', async () => {
    linkOf(user, log(), audit());
    expect(await thrower(read(log()))).toThrow('another owner');
    rmSync(log());
    linkOf(0, log(), audit());
    expect(await read(log())).toBe('SECRET\n');
    // Through a link of root into one of the user.
    linkOf(user, join(folder, 'app', 'theirs'), join(folder, 'audit'));
    linkOf(0, join(folder, 'app', 'ours'), join(folder, 'app', 'theirs'));
    expect(await thrower(read(join(folder, 'app', 'ours', 'audit.log')))).toThrow('another owner');
    lchownSync(audit(), user, user);
    expect(await read(join(folder, 'app', 'ours', 'audit.log'))).toBe('SECRET\n');
    expect(await read(join(folder, 'app', 'none.log'))).toBeUndefined();
  });

  test('swapped in at any moment: never read', async () => {
    const script =
      'while :; do ln -s "$1" "$0.l"; chown -h 65534 "$0.l"; mv "$0.l" "$0"; echo fine > "$0.f"; mv "$0.f" "$0"; done';
    writeFileSync(log(), 'fine\n');
    const child = Bun.spawn(['sh', '-c', script, log(), audit()], { stdio: ['ignore', 'ignore', 'ignore'] });
    for (let n = 0; n < 1_000; n++) {
      const text = await read(log()).catch(() => undefined);
      if (text !== undefined) expect(text).not.toContain('SECRET');
    }
    child.kill('SIGKILL');
    await child.exited;
  }, 30_000);

  test('beside a log that is shipped, with the name of a rotated file: passed over, and the log goes on', async () => {
    writeFileSync(log(), 'one\n');
    const source = fileSource(log(), { logPaths: [`${top}/**`], clock: systemClock, journalctl: [] });
    const ending = new AbortController();
    const lines = await source.lines('start', ending.signal);
    const texts: string[] = [];
    const next = async () => {
      for (let got = await lines.next(); !got.done; got = await lines.next())
        if (got.value !== caughtUp) return void texts.push(got.value.text);
    };
    await next();
    linkOf(user, `${log()}.2`, audit());
    renameSync(log(), `${log()}.1`);
    writeFileSync(log(), 'two\n');
    await next();
    ending.abort();
    await lines.return();
    expect(texts).toEqual(['one', 'two']);
  }, 30_000);
});
