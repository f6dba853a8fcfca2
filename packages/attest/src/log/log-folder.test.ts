/** The log on a real disk: one writer, kills, and what a stranger sees. */
import { afterAll, describe, expect, test } from 'bun:test';
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equalBytes, utf8 } from '../bytes/bytes.ts';
import { generateSigner } from '../keys/signing-key.ts';
import { entryBytes } from '../merkle/log-entry.ts';
import { checkConsistency } from '../merkle/merkle-tree.ts';
import { verifyProof } from '../merkle/tlog-proof.ts';
import { sha256Hex } from '../sha256.ts';
import { refusalOf } from '../testing/refusal.ts';
import { checkGoesOn, checkTiles, readLog } from './check-log.ts';
import { findCertificate, proveEntry } from './find-certificate.ts';
import { folderDisk } from './log-disk.ts';
import { openLogFolder } from './open-log-folder.ts';

/** What a promise is rejected with, to be looked at. */
const asIs = (error: unknown) => error;

const root = mkdtempSync(join(tmpdir(), 'attest-log-'));
afterAll(() => rmSync(root, { recursive: true }));

const origin = 'labmesh.example/log';
const signer = generateSigner();
const trusted = { origin, key: signer.publicKey };
const entry = (id: string) =>
  entryBytes({ v: 1, kind: 'certificate', id, sha256: sha256Hex(utf8(id)), time: '2026-03-01T12:00:00Z' });
const entries = (name: string, count: number) => Array.from({ length: count }, (_, index) => entry(`${name}${index}`));

let folders = 0;
const newFolder = () => join(root, `${folders++}`);

/** A folder with a log of groups of these sizes. */
async function filled(...counts: number[]): Promise<string> {
  const folder = newFolder();
  using open = await openLogFolder(folder, origin, signer);
  for (const [index, count] of counts.entries()) await open.log.append(entries(`g${index}-`, count));
  return folder;
}

const read = (folder: string) => readLog(folderDisk(folder), trusted);

describe('one writer', () => {
  test('a second one is refused, also one in the same process', async () => {
    const folder = newFolder();
    const first = await openLogFolder(folder, origin, signer);
    expect(await refusalOf(() => openLogFolder(folder, origin, signer))).toBe('LOG_LOCKED');
    first[Symbol.dispose]();
    using again = await openLogFolder(folder, origin, signer);
    expect(again.log.head.size).toBe(0);
  });

  test('one that fails to open does not keep the lock', async () => {
    const folder = await filled(3);
    expect(await refusalOf(() => openLogFolder(folder, 'other.example', signer))).toBe('SIGNATURE_BAD');
    using again = await openLogFolder(folder, origin, signer);
    expect(again.log.head.size).toBe(3);
  });
});

test('killed with SIGKILL while it appends, ten times: nothing logged is lost, no history is taken back', async () => {
  const folder = newFolder();
  const told: { size: number; root: Uint8Array }[] = [];
  for (let run = 0; run < 10; run++) {
    const program = join(import.meta.dir, '../testing/append-until-killed.ts');
    const child = Bun.spawn([process.execPath, program, folder, signer.exportPkcs8().toBase64(), `${run}`], {
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const kill = Promise.withResolvers<void>();
    // Some way into writing, at another place each time.
    const text = (async () => {
      let all = '';
      for await (const chunk of child.stdout) {
        all += new TextDecoder().decode(chunk);
        if (all.split('\n').length > 3 + run) kill.resolve();
      }
      return all;
    })();
    await Promise.race([kill.promise, child.exited]);
    await Bun.sleep((run * 3) % 11);
    child.kill('SIGKILL');
    await child.exited;
    const lines = (await text).split('\n').slice(0, -1);
    expect([lines.length > 0, await new Response(child.stderr).text()]).toEqual([true, '']);
    told.push(
      ...lines
        .map((line) => line.split(' '))
        .map(([size = '', hex = '']) => ({ size: Number(size), root: Uint8Array.fromHex(hex) })),
    );
  }
  using open = await openLogFolder(folder, origin, signer);
  const { log } = open;
  expect(log.head.size).toBeGreaterThanOrEqual(told.at(-1)?.size ?? Number.NaN);
  for (const head of told) checkConsistency(head, log.head, await log.proveConsistency(head.size));
  await checkTiles(await read(folder));
  await verifyProof(await log.prove(0), trusted);
}, 60_000);

describe('a stranger looks', () => {
  test('at every hash, and finds all as it was written', async () => {
    const folder = await filled(3, 600, 40);
    const log = await read(folder);
    expect(log.head.size).toBe(643);
    await checkTiles(log);
    const index = await findCertificate(log, sha256Hex(utf8('g1-599')));
    expect(index).toBe(602);
    const proven = await verifyProof(await proveEntry(log, index ?? -1), trusted);
    expect([proven.entry.id, proven.index]).toEqual(['g1-599', 602]);
    expect(await findCertificate(log, '0'.repeat(64))).toBeUndefined();
  });

  test('a byte changed in any file is found', async () => {
    const folder = await filled(300, 300);
    const paths = [
      'tile/0/000',
      'tile/0/001',
      'tile/0/002.p/88',
      'tile/1/000.p/2',
      'tile/entries/000',
      'tile/entries/002.p/88',
    ];
    for (const path of paths) {
      const copy = newFolder();
      cpSync(folder, copy, { recursive: true });
      const bytes = readFileSync(join(copy, path));
      for (const at of [0, 1, bytes.length - 1]) {
        writeFileSync(join(copy, path), bytes.with(at, (bytes[at] ?? 0) ^ 1));
        expect([path, at, await refusalOf(async () => checkTiles(await read(copy)))]).toEqual([
          path,
          at,
          expect.stringMatching(/^(LOG_DAMAGED|TILE_BAD)$/),
        ]);
      }
    }
  });

  test('an entry replaced together with its hashes is found by the root', async () => {
    const folder = await filled(7);
    const other = newFolder();
    {
      using open = await openLogFolder(other, origin, signer);
      await open.log.append([...entries('g0-', 6), entry('forged')]);
    }
    for (const path of ['tile/0/000.p/7', 'tile/entries/000.p/7']) copyFileSync(join(other, path), join(folder, path));
    expect(await refusalOf(async () => checkTiles(await read(folder)))).toBe('LOG_DAMAGED');
  });

  test('with an older checkpoint in hand: the log goes on from it, or there are two logs', async () => {
    const folder = await filled(5);
    const seen = readFileSync(join(folder, 'checkpoint'), 'utf8');
    const fork = newFolder();
    cpSync(folder, fork, { recursive: true });
    {
      using open = await openLogFolder(folder, origin, signer);
      await open.log.append(entries('more', 300));
      using other = await openLogFolder(fork, origin, signer);
      await other.log.append(entries('less', 4));
    }
    const log = await read(folder);
    expect((await checkGoesOn(log, seen, trusted)).size).toBe(5);
    const ofFork = readFileSync(join(fork, 'checkpoint'), 'utf8');
    expect(await refusalOf(() => checkGoesOn(log, ofFork, trusted))).toBe('LOG_SPLIT_VIEW');
    // Entries taken away: the log that was seen was longer.
    const ofLonger = readFileSync(join(folder, 'checkpoint'), 'utf8');
    expect(await refusalOf(async () => checkGoesOn(await read(fork), ofLonger, trusted))).toBe('LOG_SPLIT_VIEW');
    const stranger = { origin, key: generateSigner().publicKey };
    expect(await refusalOf(() => checkGoesOn(log, seen, stranger))).toBe('SIGNATURE_BAD');
  });

  test('where there is none', async () => {
    expect(await refusalOf(() => read(newFolder()))).toBe('LOG_DAMAGED');
  });
});

test('what is read is what was written', async () => {
  const disk = folderDisk(newFolder());
  await disk.makeFolder('a/b');
  await disk.writeSynced('a/b/c', Uint8Array.of(1, 2, 3));
  await disk.writeSynced('a/b/c', Uint8Array.of(4));
  expect(equalBytes((await disk.read('a/b/c')) ?? new Uint8Array(0), Uint8Array.of(4))).toBe(true);
  expect([await disk.read('a/none'), await disk.read('a/b/c/d')]).toEqual([undefined, undefined]);
  expect(await disk.read('a/b').catch(asIs)).toMatchObject({ message: expect.stringContaining('EISDIR') });
  expect([await disk.exists('a'), await disk.exists('b')]).toEqual([true, false]);
  await disk.remove('a/b');
  expect(await disk.exists('a/b')).toBe(false);
});
