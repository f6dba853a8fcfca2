import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { copyEnd } from '@labmesh/agent/copy/copy-port';
import { encodeCopyRecord } from '@labmesh/wire/frame/copy-record';
import type { CopyRecord } from '@labmesh/wire/frame/open';
import fc from 'fast-check';
import { leadsOut } from './link-check.ts';
import { TreeReceiver } from './receive-tree.ts';

const top = mkdtempSync(join(tmpdir(), 'labctl-receive-'));
afterAll(() => rmSync(top, { recursive: true }));
let folder = '';
let count = 0;
beforeEach(() => {
  folder = join(top, String(count++), 'in');
  mkdirSync(folder, { recursive: true });
});

const sha256 = (...texts: string[]) => new Bun.CryptoHasher('sha256').update(texts.join('')).digest('hex');
const record = (one: object) => {
  // Records that no honest sender makes are not encoded by its function.
  const json = new TextEncoder().encode(JSON.stringify(one));
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, json.length);
  return Buffer.concat([head, json]);
};
const file = (path: string, text: string, more: Partial<CopyRecord> = {}) =>
  Buffer.concat([
    record({ path, type: 'file', size: text.length, ...more }),
    Buffer.from(text),
    record({ path, type: 'end', sha256: sha256(text) }),
  ]);
const dir = (path: string) => record({ path, type: 'directory' });
const link = (path: string, to: string) => record({ path, type: 'symlink', link: to });
const end = (...texts: string[]) => encodeCopyRecord({ path: '', type: 'end', sha256: sha256(...texts) });

async function* once(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What an agent that may not be trusted sends, into `folder` or a name in it. */
async function receive(
  stream: readonly Uint8Array[],
  given: { path?: string; recursive?: boolean; size?: number } = {},
) {
  const warned: string[] = [];
  const answers: Uint8Array[] = [];
  const plan = {
    path: given.path ?? folder,
    sourceName: 'src',
    recursive: given.recursive ?? true,
    preserve: false,
    transfer: '01900000-0000-8000-8000-000000000001',
  };
  await using receiver = await TreeReceiver.at(plan);
  const done = await receiver
    .run({
      input: once(Buffer.concat(stream), given.size),
      answer: async (bytes) => void answers.push(bytes),
      meter: { begin: () => {}, add: () => {} },
      warn: (path, why) => void warned.push(`${path}: ${why}`),
    })
    .then(
      (received) => ({ received, ending: undefined }),
      (error: unknown) => ({ received: undefined, ending: copyEnd(error) }),
    );
  return { ...done, warned, answers };
}

/** Everything below the folder of the test, also beside the target. */
const outside = () => readdirSync(join(folder, '..'));

describe('an agent that is not trusted (CP-1, acceptance 7)', () => {
  test('an honest stream, in pieces of any size', async () => {
    for (const size of [1, 3, 1_000]) {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
      const stream = [
        dir('src'),
        file('src/a', 'one'),
        dir('src/b'),
        file('src/b/c', ''),
        link('src/b/l', '../a'),
        end('one'),
      ];
      const { received, answers } = await receive(stream, { size });
      expect(received).toEqual({ bytes: 3, sha256: sha256('one'), leftOut: 0 });
      expect(readFileSync(join(folder, 'src/b/l'), 'utf8')).toBe('one');
      expect(answers).toHaveLength(1);
    }
  });

  test('the source goes where the operator said, whatever the agent calls it', async () => {
    expect((await receive([file('.bashrc', 'evil'), end('evil')], { recursive: false })).received?.bytes).toBe(4);
    expect(readdirSync(folder)).toEqual(['src']);
    rmSync(join(folder, 'src'));
    await receive([dir('.ssh'), file('.ssh/authorized_keys', 'evil'), end('evil')]);
    expect(readdirSync(folder)).toEqual(['src']);
  });

  test.each([
    ['a parent', [file('../src', 'x')]],
    ['a parent below', [dir('src'), file('src/../../x', 'x')]],
    ['an absolute name', [file('/tmp/labctl-evil', 'x')]],
    ['a member beside the source', [dir('src'), file('other/x', 'x')]],
    ['a member beside the source under -r', [dir('src'), file('x', 'x')]],
    ['the source again', [dir('src'), file('src', 'x')]],
    ['a dot', [dir('src'), file('src/./x', 'x')]],
    ['an empty name', [dir('src'), file('src//x', 'x')]],
    ['a first record that lies deep', [file('a/b', 'x')]],
    ['a link as the source', [link('src', '/etc')]],
    ['bytes that were not announced', [record({ path: 'src', type: 'file', size: 5, offset: 9 })]],
    ['a part that is not there', [record({ path: 'src', type: 'file', size: 5, offset: 3 })]],
    ['no JSON', [new Uint8Array([0, 0, 0, 2, 0x7b, 0x7b])]],
    ['a record without an end', [new Uint8Array([0xff, 0xff, 0xff, 0xff])]],
    ['an end at once', [end()]],
  ])('%s is refused and nothing is written', async (_, stream) => {
    const { ending } = await receive([...stream, end('x')]);
    expect(['protocol', 'io']).toContain(ending!.reason);
    expect(outside()).toEqual(['in']);
    expect(existsSync('/tmp/labctl-evil')).toBe(false);
    const written = readdirSync(folder, { recursive: true });
    expect(written.filter((name) => name !== 'src')).toEqual([]);
  });

  test('several files without -r, a folder without -r', async () => {
    const two = await receive([file('src', 'x'), file('src2', 'y'), end('xy')], { recursive: false });
    expect(two.ending).toMatchObject({ reason: 'protocol' });
    expect((await receive([dir('src'), end()], { recursive: false })).ending).toMatchObject({ reason: 'io' });
    expect(readdirSync(folder)).toEqual(['src']);
  });

  test('through a link that lies there already: refused', async () => {
    mkdirSync(join(folder, '../away'));
    mkdirSync(join(folder, 'src'));
    symlinkSync(join(folder, '../away'), join(folder, 'src/b'));
    const { ending } = await receive([dir('src'), dir('src/b'), file('src/b/x', 'x'), end('x')]);
    expect(ending).toMatchObject({ reason: 'denied' });
    expect(readdirSync(join(folder, '../away'))).toEqual([]);
  });

  test('through a link that it made itself: refused', async () => {
    mkdirSync(join(folder, '../away'));
    const { ending } = await receive([dir('src'), dir('src/a'), link('src/b', 'a'), file('src/b/x', 'x'), end('x')]);
    expect(ending).toMatchObject({ reason: 'denied' });
    expect(readdirSync(join(folder, 'src/a'))).toEqual([]);
  });

  test('a file over a link takes the link’s place and leaves what it led to', async () => {
    writeFileSync(join(folder, '../kept'), 'kept');
    symlinkSync('../kept', join(folder, 'src'));
    await receive([file('src', 'new'), end('new')], { recursive: false });
    expect(readFileSync(join(folder, '../kept'), 'utf8')).toBe('kept');
    expect(readFileSync(join(folder, 'src'), 'utf8')).toBe('new');
  });

  test('a sum that is not that of the bytes: nothing takes the old file’s place', async () => {
    writeFileSync(join(folder, 'src'), 'old');
    const bad = [
      record({ path: 'src', type: 'file', size: 3 }),
      Buffer.from('new'),
      record({ path: 'src', type: 'end', sha256: sha256('other') }),
    ];
    expect((await receive([...bad, end('new')], { recursive: false })).ending).toMatchObject({ reason: 'checksum' });
    expect(readFileSync(join(folder, 'src'), 'utf8')).toBe('old');
    expect((await receive([file('src', 'new'), end('other')], { recursive: false })).ending?.reason).toBe('checksum');
    expect((await receive([file('src', 'new')], { recursive: false })).ending).toMatchObject({ reason: 'io' });
  });

  test('any bytes at all: refused or copied below the target, never beside it', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 40 }),
            fc.constantFrom('src', '..', 'a/../..', '/x', 'src/a', '').map((path) => dir(path)),
            fc.constantFrom('src', '../x', 'src/a', 'src/b/c', '/x').map((path) => file(path, 'text')),
            fc.constantFrom('/etc', '..', 'a', '../..').map((to) => link('src/l', to)),
          ),
          { maxLength: 6 },
        ),
        async (stream) => {
          await receive(stream);
          expect(outside()).toEqual(['in']);
          expect(readdirSync(folder).filter((name) => name !== 'src')).toEqual([]);
        },
      ),
      { numRuns: 200 },
    ));
});

describe('links of a tree (CP-1)', () => {
  test.each([
    ['a', 0, false],
    ['a/b', 0, false],
    ['./a', 0, false],
    ['.', 0, false],
    ['..', 0, true],
    ['..', 1, false],
    ['../../x', 1, true],
    ['../../x', 2, false],
    ['a/..', 5, true],
    ['/etc', 5, true],
    ['', 0, true],
    ['a\0b', 0, true],
  ])('%j in a folder %d deep: leads out %p', (text, depth, wanted) => expect(leadsOut(text, depth)).toBe(wanted));

  test('what is let through stays inside, by the path alone', () => {
    const part = fc.constantFrom('..', '.', 'a', 'b', '');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.nat(4), (parts, depth) => {
        const text = parts.join('/');
        if (leadsOut(text, depth)) return;
        const whole = normalize(`${'d/'.repeat(depth)}${text}`);
        expect(whole.startsWith('..')).toBe(false);
      }),
    );
  });
});
