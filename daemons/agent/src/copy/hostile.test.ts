/** Acceptance 7 and the traps on copies: links swapped meanwhile, streams of any bytes, a helper that is not itself. */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  mkdirSync,
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
import { CopyRecordReader } from '@labmesh/wire/frame/copy-record';
import { type CopyRecord, openCopyInSchema, openCopyOutSchema } from '@labmesh/wire/frame/open';
import fc from 'fast-check';
import { connect, testWorld } from '../testing/client.ts';
import type { CopyPort } from './copy-port.ts';
import { Folder, FolderPath } from './folders.ts';
import { prepareByHelper } from './helper-client.ts';
import { partName } from './part-file.ts';
import { openCopy } from './run-copy.ts';

const top = mkdtempSync(join(tmpdir(), 'labmesh-hostile-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let count = 0;
const newFolder = () => {
  const path = join(top, String(count++));
  mkdirSync(path);
  return path;
};
const world = { accounts: testWorld().accounts, options: { logins: ['*'], selfCommand: [] } };
const sha256 = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex');

/** A record that our own encoder may refuse to make. */
function rawRecord(record: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(record));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(json.length);
  return Buffer.concat([head, json]);
}
const rawFile = (path: string, text: string) => [
  rawRecord({ path, type: 'file', size: text.length }),
  Buffer.from(text),
  rawRecord({ path, type: 'end', sha256: sha256(text) }),
];

async function send(path: string, stream: Uint8Array) {
  const transfer = Bun.randomUUIDv7();
  const open = openCopyInSchema.parse({ kind: 'copy-in', server: 'x', path, recursive: true, transfer });
  const { client, ran } = connect(await openCopy(open, world), open);
  await client.send(stream).catch(() => {});
  client.channel.end(0);
  const ending = await client.closed;
  await ran;
  return ending;
}

/** Swaps `path` between a folder and a link to `outside`, as fast as it goes, until it is stopped. */
function swapping(path: string, outside: string): () => void {
  const script = `while :; do mv "$0" "$0.away" && ln -s "$1" "$0"; rm -f "$0"; mv "$0.away" "$0"; done`;
  const child = Bun.spawn(['sh', '-c', script, path, outside], { stdio: ['ignore', 'ignore', 'ignore'] });
  return () => child.kill('SIGKILL');
}

describe('acceptance 7: links swapped during a copy', () => {
  test('in: nothing is ever written outside', async () => {
    const [folder, outside] = [newFolder(), newFolder()];
    mkdirSync(join(folder, 'd/sub'), { recursive: true });
    const stop = swapping(join(folder, 'd/sub'), outside);
    const reasons = new Set<string>();
    const stream = Buffer.concat([
      rawRecord({ path: 'd', type: 'directory' }),
      rawRecord({ path: 'd/sub', type: 'directory' }),
      ...[1, 2, 3, 4, 5].flatMap((n) => rawFile(`d/sub/${n}`, 'x')),
      rawRecord({ path: '', type: 'end', sha256: sha256('xxxxx') }),
    ]);
    for (const until = performance.now() + 1500; performance.now() < until;) {
      reasons.add((await send(folder, stream)).reason);
    }
    stop();
    expect(readdirSync(outside)).toEqual([]);
    // It met the link, the gap, and the folder.
    for (const reason of reasons) expect(['ok', 'denied', 'not-found', 'io']).toContain(reason);
    expect(reasons.size).toBeGreaterThan(1);
  }, 30_000);

  test('out: nothing outside is ever read', async () => {
    const [folder, outside] = [newFolder(), newFolder()];
    mkdirSync(join(folder, 'd/sub'), { recursive: true });
    writeFileSync(join(folder, 'd/sub/mine'), 'mine');
    writeFileSync(join(outside, 'secret'), 'SECRET');
    const stop = swapping(join(folder, 'd/sub'), outside);
    let met = 0;
    for (const until = performance.now() + 1500; performance.now() < until;) {
      const open = openCopyOutSchema.parse({ kind: 'copy-out', server: 'x', path: join(folder, 'd'), recursive: true });
      const { client, ran } = connect(await openCopy(open, world), open);
      await client.closed;
      await ran;
      const items = [...new CopyRecordReader().feed(new Uint8Array(client.out))];
      const paths = items.flatMap((item) =>
        item.kind === 'record' && item.record.type !== 'end' ? [item.record] : [],
      );
      expect(client.out.toString()).not.toContain('SECRET');
      if (paths.some(({ type }) => type === 'symlink')) met += 1;
      expect(paths.some(({ path }) => path.endsWith('secret'))).toBe(false);
    }
    stop();
    expect(met).toBeGreaterThan(0);
  }, 30_000);

  test('a folder that is held stays the same, wherever its name leads', async () => {
    const [folder, outside] = [newFolder(), newFolder()];
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    await using path = new FolderPath(await Folder.at(folder));
    const held = await path.folder(['a', 'b']);
    rmSync(join(folder, 'a'), { recursive: true });
    mkdirSync(join(folder, 'a'));
    symlinkSync(outside, join(folder, 'a/b'));
    // The folder it holds is gone, so there is nothing to write into.
    expect(() => writeFileSync(held.member('x'), '')).toThrow();
    expect(await thrower((await path.folder(['a'])).enter('b').then(() => 'entered'))).toThrow();
    expect(readdirSync(outside)).toEqual([]);
  });

  test('walks share what they have in common, and leave what they leave', async () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'a/b/c'), { recursive: true });
    mkdirSync(join(folder, 'a/d'));
    const before = readdirSync('/proc/self/fd').length;
    const path = new FolderPath(await Folder.at(folder));
    for (const parts of [['a', 'b', 'c'], ['a', 'b'], ['a', 'd'], [], ['a']]) {
      expect(statSync((await path.folder(parts)).member('.')).ino).toBe(statSync(join(folder, ...parts)).ino);
    }
    expect(await thrower(path.folder(['a', 'none']))).toThrow();
    await path[Symbol.asyncDispose]();
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
  });
});

describe('hostile streams', () => {
  const name = fc.constantFrom(
    'a',
    'b',
    '..',
    '.',
    '',
    'ü',
    'x'.repeat(300),
    'a\nb',
    '\u001b[2J',
    '-rf',
    '.a.labmesh-1',
  );
  const path = fc.array(name, { maxLength: 4 }).map((parts) => parts.join('/'));
  const record: fc.Arbitrary<Partial<CopyRecord>> = fc.record(
    {
      path,
      type: fc.constantFrom('file', 'directory', 'symlink', 'end'),
      size: fc.integer({ min: 0, max: 5 }),
      offset: fc.integer({ min: 0, max: 5 }),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      link: fc.constantFrom('/etc', '..', 'a', '/', ''),
      sha256: fc.constantFrom(sha256(''), sha256('x')),
    },
    { requiredKeys: ['path', 'type'] },
  );

  test('any records: an end with a reason, nothing outside the target, no descriptor left', async () => {
    const outside = newFolder();
    writeFileSync(join(outside, 'canary'), 'alive');
    const before = readdirSync('/proc/self/fd').length;
    const run = async (records: Partial<CopyRecord>[], junk: Uint8Array) => {
      const target = join(outside, 'target');
      mkdirSync(target, { recursive: true });
      const parts = records.flatMap((one) => [
        rawRecord(one),
        new Uint8Array(one.type === 'file' ? (one.size ?? 0) : 0),
      ]);
      const { reason } = await send(target, Buffer.concat([...parts, junk]));
      expect(['ok', 'protocol', 'denied', 'io', 'cancelled', 'checksum', 'not-found']).toContain(reason);
      expect(readdirSync(outside).toSorted()).toEqual(['canary', 'target']);
      expect(readFileSync(join(outside, 'canary'), 'utf8')).toBe('alive');
      rmSync(target, { recursive: true });
    };
    await fc.assert(fc.asyncProperty(fc.array(record, { maxLength: 6 }), fc.uint8Array({ maxLength: 12 }), run), {
      numRuns: 300,
    });
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before + 2);
  }, 60_000);

  test('names of any length have a part name that fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 255 }), (name) => {
        const part = partName(name, Bun.randomUUIDv7());
        expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255);
        expect(part).toMatch(/^\..*\.labmesh-[0-9a-f-]{36}$/s);
      }),
    );
  });
});

describe('a helper that is not itself', () => {
  const open = openCopyInSchema.parse({ kind: 'copy-in', server: 'x', path: '/tmp', transfer: Bun.randomUUIDv7() });
  const helper = (script: string) => {
    const path = join(newFolder(), 'helper');
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return [path];
  };
  const port: CopyPort = {
    input: (async function* () {})(),
    write: async () => {},
    warn: async () => {},
  };
  const outcome = (script: string) =>
    prepareByHelper(open, helper(script))
      .then(async (prepared) => (await prepared.run(port)).reason)
      .catch((error: Error & { reason?: string }) => `${error.reason}: ${error.message}`);

  test('dies, talks nonsense, refuses, breaks off, or is fine', async () => {
    expect(await outcome('exit 1')).toBe('spawn-failed: the copy helper did not answer');
    expect(await outcome('echo nonsense >&2; echo "{}" >&2')).toBe('spawn-failed: the copy helper did not answer');
    expect(await outcome(`echo '{"end":{"reason":"io","text":"no"}}' >&2`)).toBe('io: no');
    expect(await outcome(`echo '{"end":{"reason":"made-up","text":"no"}}' >&2`)).toStartWith('spawn-failed');
    expect(await outcome(`echo '{"ready":{}}' >&2`)).toBe('io: the copy helper did not answer');
    expect(await outcome(`echo '{"ready":{}}' >&2; echo '{"end":{"reason":"ok","text":""}}' >&2`)).toBe('ok');
  });

  test('a line without end is not kept', async () => {
    expect(await outcome('head -c 10000000 /dev/zero | tr "\\0" x >&2')).toStartWith('spawn-failed');
  });
});
