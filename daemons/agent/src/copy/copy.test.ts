import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CopyRecordReader, encodeCopyRecord } from '@labmesh/wire/frame/copy-record';
import { type CopyRecord, openCopyInSchema, openCopyOutSchema, type OpenOf } from '@labmesh/wire/frame/open';
import { connect, testWorld } from '../testing/client.ts';
import { openCopy } from './run-copy.ts';

const isRoot = process.getuid?.() === 0;
const top = mkdtempSync(join(tmpdir(), 'labmesh-copy-'));
chmodSync(top, 0o755);
afterAll(() => rmSync(top, { recursive: true }));
let folder = '';
let count = 0;
beforeEach(() => {
  folder = join(top, String(count++));
  mkdirSync(folder);
});
const sha256 = (...parts: Uint8Array[]) => {
  const hash = new Bun.CryptoHasher('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
/** Exit code of a program. */
const run = (...argv: string[]) => Bun.spawnSync(argv).exitCode;
const bytesOf = (text: string) => new TextEncoder().encode(text);
type Member = { record: CopyRecord; content?: Uint8Array };
const fileAt = (path: string, text: string | Uint8Array, more: Partial<CopyRecord> = {}): Member => {
  const content = typeof text === 'string' ? bytesOf(text) : text;
  return { record: { path, type: 'file', size: content.length, ...more }, content };
};

/** The stream that a well-behaved sender makes. */
function streamOf(members: readonly Member[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const all: Uint8Array[] = [];
  for (const { record, content } of members) {
    parts.push(encodeCopyRecord(record));
    if (content === undefined) continue;
    parts.push(content.subarray(record.offset ?? 0));
    parts.push(encodeCopyRecord({ path: record.path, type: 'end', sha256: sha256(content) }));
    all.push(content);
  }
  parts.push(encodeCopyRecord({ path: '', type: 'end', sha256: sha256(...all) }));
  return new Uint8Array(Buffer.concat(parts));
}

const copyIn = (wanted: Partial<OpenOf<'copy-in'>>) =>
  openCopyInSchema.parse({ kind: 'copy-in', server: 'x', path: folder, transfer: Bun.randomUUIDv7(), ...wanted });
const copyOut = (wanted: Partial<OpenOf<'copy-out'>>) =>
  openCopyOutSchema.parse({ kind: 'copy-out', server: 'x', path: folder, ...wanted });
const world = () => {
  const { accounts } = testWorld();
  const selfCommand = [process.execPath, join(import.meta.dir, '../testing/copy-helper-main.ts')];
  return { accounts, options: { logins: ['*'], selfCommand } };
};

async function send(open: OpenOf<'copy-in'>, stream: Uint8Array, isWhole = true) {
  const run = await openCopy(open, world());
  const { client, ran } = connect(run, open);
  await client.send(stream).catch(() => {});
  if (isWhole) client.channel.end(0);
  else client.channel.close('cancelled');
  const ending = await client.closed;
  await ran;
  const answer = [...new CopyRecordReader().feed(client.out)].map((item) => item.kind === 'record' && item.record);
  return { ending, exit: client.exit, answer: answer[0], offset: run.answer.offset };
}

async function fetch(open: OpenOf<'copy-out'>) {
  const run = await openCopy(open, world());
  const { client, ran } = connect(run, open);
  const ending = await client.closed;
  await ran;
  const members: Member[] = [];
  for (const item of new CopyRecordReader().feed(new Uint8Array(client.out))) {
    if (item.kind === 'record') members.push({ record: item.record });
    else
      members.at(-1)!.content = new Uint8Array(Buffer.concat([members.at(-1)!.content ?? Buffer.alloc(0), item.bytes]));
  }
  return { ending, exit: client.exit, members, warnings: client.err.toString(), run };
}
const names = (at = folder) => readdirSync(at).toSorted();
const refusal = (opening: Promise<unknown>) =>
  opening.then(
    () => 'taken',
    (error) => `${(error as { reason: string }).reason}: ${(error as Error).message}`,
  );

describe('CP-1 files in', () => {
  test('one file: under its own name in a folder, or as the target', async () => {
    const sent = await send(copyIn({}), streamOf([fileAt('a.txt', 'hello')]));
    expect([sent.ending.reason, sent.exit?.copied?.sha256]).toEqual(['ok', sha256(bytesOf('hello'))]);
    expect(sent.answer).toEqual({ path: '', type: 'end', size: 5, sha256: sha256(bytesOf('hello')) });
    await send(copyIn({ path: join(folder, 'b.txt') }), streamOf([fileAt('a.txt', 'hello')]));
    expect(names()).toEqual(['a.txt', 'b.txt']);
    expect(readFileSync(join(folder, 'b.txt'), 'utf8')).toBe('hello');
  });

  test('a megabyte and an empty one', async () => {
    const big = crypto.getRandomValues(new Uint8Array(65_536));
    const bytes = new Uint8Array(Buffer.concat(Array.from({ length: 17 }, () => big)));
    expect((await send(copyIn({}), streamOf([fileAt('big', bytes)]))).ending.reason).toBe('ok');
    expect(readFileSync(join(folder, 'big')).equals(bytes)).toBe(true);
    expect((await send(copyIn({}), streamOf([fileAt('none', '')]))).ending.reason).toBe('ok');
    expect(statSync(join(folder, 'none')).size).toBe(0);
  });

  test('a tree with links, modes and times; odd names', async () => {
    const odd = 'line\nbreak \u001b[31m "quoted" ü';
    const members: Member[] = [
      { record: { path: 'd', type: 'directory', mode: 0o750, mtimeMs: 1_000_000_000_000 } },
      { record: { path: 'd/sub', type: 'directory', mode: 0o500, mtimeMs: 1_100_000_000_000 } },
      fileAt('d/sub/x', 'x', { mode: 0o4711, mtimeMs: 1_200_000_000_000 }),
      { record: { path: 'd/link', type: 'symlink', link: '../../outside' } },
      fileAt(`d/${odd}`, 'odd'),
    ];
    const sent = await send(copyIn({ recursive: true, preserve: true, path: join(folder, 'new') }), streamOf(members));
    expect(sent.ending.reason).toBe('ok');
    expect(names(join(folder, 'new'))).toEqual([odd, 'link', 'sub'].toSorted());
    const at = (path: string) => statSync(join(folder, 'new', path));
    expect([at('.').mode & 0o7777, at('sub').mode & 0o7777, at('sub/x').mode & 0o7777]).toEqual([0o750, 0o500, 0o4711]);
    expect([at('.').mtimeMs, at('sub').mtimeMs, at('sub/x').mtimeMs]).toEqual([1e12, 1.1e12, 1.2e12]);
    expect(readlinkSync(join(folder, 'new/link'))).toBe('../../outside');
    chmodSync(join(folder, 'new/sub'), 0o700);
  });

  test('without preserve: no set-id bits, and a file that is replaced keeps its mode', async () => {
    await send(copyIn({}), streamOf([fileAt('suid', 'x', { mode: 0o4777 })]));
    expect(statSync(join(folder, 'suid')).mode & 0o7777).toBe(0o777 & ~process.umask());
    writeFileSync(join(folder, 'key'), 'old', { mode: 0o600 });
    await send(copyIn({}), streamOf([fileAt('key', 'new', { mode: 0o644 })]));
    expect(statSync(join(folder, 'key')).mode & 0o7777).toBe(0o600);
    expect(readFileSync(join(folder, 'key'), 'utf8')).toBe('new');
  });

  test('a link in the target’s place is replaced, not written through', async () => {
    writeFileSync(join(folder, 'secret'), 'mine');
    symlinkSync('secret', join(folder, 'a'));
    expect((await send(copyIn({}), streamOf([fileAt('a', 'x')]))).ending.reason).toBe('ok');
    expect(readFileSync(join(folder, 'secret'), 'utf8')).toBe('mine');
    expect(lstatSync(join(folder, 'a')).isFile()).toBe(true);
  });

  test.each([
    ['`..`', [fileAt('../a', 'x')]],
    ['an absolute member', [fileAt('/etc/labmesh-test', 'x')]],
    ['two roots', [fileAt('a/b', 'x')]],
    [
      'a member through a link of the stream',
      [
        { record: { path: 'd', type: 'directory' } },
        { record: { path: 'd/l', type: 'symlink', link: '..' } },
        fileAt('d/l/escaped', 'x'),
      ],
    ],
  ] as [string, Member[]][])('%s is refused', async (_, members) => {
    const stream = members.flatMap(({ record, content }) => [
      rawRecord(record),
      ...(content === undefined
        ? []
        : [content, rawRecord({ path: record.path, type: 'end', sha256: sha256(content) })]),
    ]);
    const { ending } = await send(copyIn({ recursive: true }), new Uint8Array(Buffer.concat(stream)));
    expect(['protocol', 'denied']).toContain(ending.reason);
    expect(existsSync(join(folder, 'escaped'))).toBe(false);
    expect(existsSync(join(top, 'a'))).toBe(false);
  });

  test('acceptance 7: a folder swapped for a link during the copy leads nowhere', async () => {
    const outside = join(top, 'outside');
    mkdirSync(outside, { recursive: true });
    const open = copyIn({ recursive: true });
    const { client } = connect(await openCopy(open, world()), open);
    await client.send(encodeCopyRecord({ path: 'd', type: 'directory' }));
    await client.send(encodeCopyRecord({ path: 'd/sub', type: 'directory' }));
    while (!existsSync(join(folder, 'd/sub'))) await Bun.sleep(5);
    rmSync(join(folder, 'd/sub'), { recursive: true });
    symlinkSync(outside, join(folder, 'd/sub'));
    const file = fileAt('d/sub/f', 'x');
    await client.send(encodeCopyRecord(file.record)).catch(() => {});
    expect((await client.closed).reason).toBe('denied');
    expect(readdirSync(outside)).toEqual([]);
  });

  test('a folder without recursive, a missing one, a file in a folder’s place', async () => {
    const dir: Member[] = [{ record: { path: 'd', type: 'directory' } }];
    expect((await send(copyIn({}), streamOf(dir))).ending.reason).toBe('io');
    expect(await refusal(openCopy(copyIn({ path: join(folder, 'no/file') }), world()))).toStartWith('not-found');
    expect(await refusal(openCopy(copyIn({ path: `${join(folder, 'no')}/` }), world()))).toStartWith('not-found');
    writeFileSync(join(folder, 'd'), '');
    expect((await send(copyIn({ recursive: true }), streamOf(dir))).ending.reason).toBe('denied');
  });

  test('CP-2 space is looked at first', async () => {
    expect(await refusal(openCopy(copyIn({ totalBytes: 2 ** 53 - 1 }), world()))).toContain('no space is left');
  });
});

/** A record that our own encoder may refuse to make. */
function rawRecord(record: CopyRecord): Uint8Array {
  const json = bytesOf(JSON.stringify(record));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(json.length);
  return Buffer.concat([head, json]);
}

describe('CP-2 parts and sums', () => {
  const content = crypto.getRandomValues(new Uint8Array(60_000));

  test('a cut copy leaves its part and is gone on with', async () => {
    const open = copyIn({ totalBytes: content.length });
    const first = Buffer.concat([
      encodeCopyRecord({ path: 'f', type: 'file', size: content.length }),
      content.subarray(0, 40_000),
    ]);
    const cut = await send(open, new Uint8Array(first));
    expect(cut.ending.reason).toBe('cancelled');
    expect(names()).toEqual([`.f.labmesh-${open.transfer}`]);
    const offset = 40_000;
    const again = streamOf([fileAt('f', content, { offset, sha256: sha256(content.subarray(0, offset)) })]);
    const sent = await send(open, again);
    expect(sent.offset).toBe(offset);
    expect(sent.ending.reason).toBe('ok');
    expect(sent.answer).toMatchObject({ size: content.length, sha256: sha256(content) });
    expect(names()).toEqual(['f']);
    expect(readFileSync(join(folder, 'f')).equals(content)).toBe(true);
  });

  test('a part with other bytes is refused as checksum and gone', async () => {
    const open = copyIn({});
    writeFileSync(join(folder, `.f.labmesh-${open.transfer}`), 'other bytes');
    const stream = streamOf([fileAt('f', content, { offset: 11, sha256: sha256(content.subarray(0, 11)) })]);
    expect((await send(open, stream)).ending.reason).toBe('checksum');
    expect(names()).toEqual([]);
  });

  test('a link in the part’s place is not followed', async () => {
    const open = copyIn({});
    writeFileSync(join(folder, 'victim'), 'mine');
    symlinkSync('victim', join(folder, `.f.labmesh-${open.transfer}`));
    const sent = await send(open, streamOf([fileAt('f', 'new')]));
    expect(sent.offset).toBe(0);
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('mine');
    expect(readFileSync(join(folder, 'f'), 'utf8')).toBe('new');
  });

  test('a wrong sum of a file, or of all, is checksum and leaves nothing in place', async () => {
    const wrong = sha256(bytesOf('other'));
    const head = encodeCopyRecord({ path: 'f', type: 'file', size: 1 });
    const file = Buffer.concat([head, bytesOf('x'), encodeCopyRecord({ path: 'f', type: 'end', sha256: wrong })]);
    expect((await send(copyIn({}), new Uint8Array(file))).ending.reason).toBe('checksum');
    expect(names()).toEqual([]);
    const good = encodeCopyRecord({ path: 'f', type: 'end', sha256: sha256(bytesOf('x')) });
    const all = encodeCopyRecord({ path: '', type: 'end', sha256: wrong });
    const stream = new Uint8Array(Buffer.concat([head, bytesOf('x'), good, all]));
    expect((await send(copyIn({}), stream)).ending.reason).toBe('checksum');
  });

  test('a client that goes away', async () => {
    const open = copyIn({});
    const part = Buffer.concat([encodeCopyRecord({ path: 'f', type: 'file', size: 10 }), bytesOf('abc')]);
    await send(open, new Uint8Array(part), false);
    expect(names().filter((name) => !name.startsWith('.'))).toEqual([]);
  });

  test.skipIf(!isRoot)('a full disk is told and leaves no part of a tree (needs root)', async () => {
    const small = join(folder, 'small');
    mkdirSync(small);
    if (run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', small) !== 0) return;
    try {
      const members: Member[] = [{ record: { path: 'd', type: 'directory' } }, fileAt('d/f', new Uint8Array(300_000))];
      const { ending } = await send(copyIn({ path: small, recursive: true }), streamOf(members));
      expect(ending).toEqual({ reason: 'io', text: 'no space is left' });
      expect(names(join(small, 'd'))).toEqual([]);
    } finally {
      run('umount', small);
    }
  });
});

describe('CP-1 files out', () => {
  const types = (members: readonly Member[]) => members.map(({ record }) => `${record.type} ${record.path}`);

  test('one file, with its sums', async () => {
    const bytes = new Uint8Array(
      Buffer.concat(Array.from({ length: 20 }, () => crypto.getRandomValues(new Uint8Array(65_536)))),
    );
    writeFileSync(join(folder, 'big'), bytes);
    const { members, ending } = await fetch(copyOut({ path: join(folder, 'big') }));
    expect(ending.reason).toBe('ok');
    expect(types(members)).toEqual(['file big', 'end big', 'end ']);
    expect(Buffer.from(members[0]!.content!).equals(bytes)).toBe(true);
    expect(members[1]!.record.sha256).toBe(sha256(bytes));
    expect(members[2]!.record).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
  });

  test('a tree: links as links, what cannot go is named and told at the end', async () => {
    mkdirSync(join(folder, 'd/sub'), { recursive: true });
    writeFileSync(join(folder, 'd/sub/x'), 'x');
    utimesSync(join(folder, 'd/sub/x'), 1e9, 1e9);
    symlinkSync('/etc', join(folder, 'd/etc'));
    run('mkfifo', join(folder, 'd/fifo\n\u001b[31m'));
    writeFileSync(Buffer.concat([Buffer.from(join(folder, 'd/bad-')), Buffer.from([0xff])]), '');
    const { members, warnings, ending } = await fetch(copyOut({ path: join(folder, 'd'), recursive: true }));
    expect(types(members)).toEqual([
      'directory d',
      'symlink d/etc',
      'directory d/sub',
      'file d/sub/x',
      'end d/sub/x',
      'end ',
    ]);
    expect(members[1]!.record.link).toBe('/etc');
    expect(members[3]!.record.mtimeMs).toBe(1e12);
    expect(ending).toEqual({ reason: 'io', text: '2 entries were left out' });
    expect(warnings).toContain('"d/fifo\\n\\u001b[31m": is neither file, directory nor link');
    expect(warnings).toContain('its name is not UTF-8');
    expect(warnings).not.toContain('\u001b');
  });

  test('what goes out comes in the same', async () => {
    mkdirSync(join(folder, 'from/a/b'), { recursive: true });
    for (let i = 0; i < 30; i++) writeFileSync(join(folder, `from/a/b/${i}`), 'z'.repeat(i * 3000));
    const out = await fetch(copyOut({ path: join(folder, 'from'), recursive: true }));
    const members = out.members.filter(({ record }) => record.type !== 'end');
    for (const member of members) if (member.record.type === 'file') member.content ??= new Uint8Array();
    expect((await send(copyIn({ path: join(folder, 'to'), recursive: true }), streamOf(members))).ending.reason).toBe(
      'ok',
    );
    expect(run('diff', '-r', join(folder, 'from'), join(folder, 'to'))).toBe(0);
  });

  test('files of /proc come with what they hold, not with the size they claim', async () => {
    const { members } = await fetch(copyOut({ path: '/proc/self/status' }));
    expect(members[0]!.record.size).toBeGreaterThan(100);
    expect(Buffer.from(members[0]!.content!).toString()).toContain('Name:');
  });

  test('CP-2 goes on where the sums agree, else checksum', async () => {
    const content = bytesOf('0123456789'.repeat(1000));
    writeFileSync(join(folder, 'f'), content);
    const open = (sum: string) => copyOut({ path: join(folder, 'f'), resume: { offset: 4000, sha256: sum } });
    const { members, run } = await fetch(open(sha256(content.subarray(0, 4000))));
    expect(run.answer).toEqual({ offset: 4000 });
    expect(members[0]!.record).toMatchObject({ offset: 4000, size: 10_000 });
    expect(Buffer.from(members[0]!.content!).equals(content.subarray(4000))).toBe(true);
    expect(members[1]!.record.sha256).toBe(sha256(content));
    expect((await fetch(open(sha256(content)))).ending.reason).toBe('checksum');
  });

  test('a folder without recursive, nothing there, a device', async () => {
    expect(await refusal(openCopy(copyOut({}), world()))).toStartWith('io: is a directory');
    expect(await refusal(openCopy(copyOut({ path: join(folder, 'none') }), world()))).toBe(
      'not-found: there is no such file or directory',
    );
    expect(await refusal(openCopy(copyOut({ path: '/dev/null' }), world()))).toStartWith('io: is neither');
  });
});

describe.skipIf(!isRoot)('copies as another account (needs root)', () => {
  test('files belong to it, and it may do no more than it may', async () => {
    chownSync(folder, 65_534, 65_534);
    const sent = await send(copyIn({ login: 'nobody' }), streamOf([fileAt('f', 'hello')]));
    expect(sent.ending.reason).toBe('ok');
    expect(sent.answer).toMatchObject({ size: 5 });
    expect(statSync(join(folder, 'f')).uid).toBe(65_534);
    const { members } = await fetch(copyOut({ path: join(folder, 'f'), login: 'nobody' }));
    expect(Buffer.from(members[0]!.content!).toString()).toBe('hello');
    expect(await refusal(openCopy(copyOut({ path: '/etc/shadow', login: 'nobody' }), world()))).toBe(
      'io: permission denied',
    );
    expect(await refusal(openCopy(copyIn({ path: '/etc/x', login: 'none-such' }), world()))).toStartWith(
      'user-unknown',
    );
  }, 30_000);

  test('a client that goes away ends the helper', async () => {
    chownSync(folder, 65_534, 65_534);
    const part = encodeCopyRecord({ path: 'f', type: 'file', size: 10 });
    const { ending } = await send(copyIn({ login: 'nobody' }), part, false);
    expect(ending.reason).toBe('cancelled');
  }, 30_000);
});
