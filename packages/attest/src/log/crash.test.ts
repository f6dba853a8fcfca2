/** The process is killed, or the power cut, before every single write of a log's life. */
import { describe, expect, test } from 'bun:test';
import { AttestRefused } from '../attest-refused.ts';
import { equalBytes, textOf, utf8 } from '../bytes/bytes.ts';
import { generateSigner } from '../keys/signing-key.ts';
import { openCheckpoint } from '../merkle/checkpoint.ts';
import { entryBytes } from '../merkle/log-entry.ts';
import { checkConsistency, type TreeHead } from '../merkle/merkle-tree.ts';
import { verifyProof } from '../merkle/tlog-proof.ts';
import { DiskDied, MemoryDisk } from '../testing/memory-disk.ts';
import { readLog, checkTiles } from './check-log.ts';
import { TransparencyLog } from './transparency-log.ts';

const origin = 'labmesh.example/log';
const signer = generateSigner();
const trusted = { origin, key: signer.publicKey };
const options = (disk: MemoryDisk) => ({ disk, origin, signer });
const entry = (id: string) =>
  entryBytes({ v: 1, kind: 'audit', id, sha256: '0'.repeat(64), time: '2026-03-01T12:00:00Z' });
const group = (name: string, count: number) => Array.from({ length: count }, (_, index) => entry(`${name}-${index}`));

/** A first start and groups that begin, fill and pass tiles. */
const groups = [3, 252, 1, 513, 40];

type Life = { heads: TreeHead[]; logged: Uint8Array[] };

/** Runs until the disk dies; gives what the process was told is logged. */
async function live(disk: MemoryDisk, name: string): Promise<Life> {
  const life: Life = { heads: [], logged: [] };
  try {
    const log = await TransparencyLog.open(options(disk));
    life.heads.push(log.head);
    for (const [index, count] of groups.entries()) {
      const added = group(`${name}${index}`, count);
      const { head } = await log.append(added);
      life.logged.push(...added);
      life.heads.push(head);
    }
  } catch (error) {
    const isDeath = error instanceof DiskDied || (error instanceof AttestRefused && error.code === 'LOG_FAILED');
    if (!isDeath) throw error;
  }
  return life;
}

/** Heads that were signed whole and lie on the disk: somebody may have read them. */
async function visible(disk: MemoryDisk): Promise<TreeHead[]> {
  const notes = ['checkpoint', 'checkpoint.next'].flatMap((name) => disk.files.get(name) ?? []);
  const heads = notes.map((note) => openCheckpoint(note, trusted).catch(() => undefined));
  return (await Promise.all(heads)).filter((head) => head !== undefined);
}

async function operationsOfOneLife(): Promise<number> {
  const disk = new MemoryDisk();
  await live(disk, 'a');
  return disk.operations;
}

describe.each(['kill', 'power cut'] as const)('a %s before each operation', (end) => {
  test('leaves a log that opens, holds all that was logged, and never takes back a checkpoint', async () => {
    const operations = await operationsOfOneLife();
    expect(operations).toBeGreaterThan(60);
    for (let at = 1; at <= operations; at++) {
      const disk = new MemoryDisk();
      disk.dieAt = at;
      const before = await live(disk, 'a');
      const left = disk.after(end);
      const seen = [...before.heads, ...(await visible(left))];
      const log = await TransparencyLog.open(options(left));
      expect(log.head.size).toBeGreaterThanOrEqual(before.logged.length);
      await log.append(group('b', 300));
      for (const head of seen) checkConsistency(head, log.head, await log.proveConsistency(head.size));
      for (const index of [0, before.logged.length - 1]) {
        if (index < 0 || before.logged.length === 0) continue;
        const proof = await log.prove(index);
        await verifyProof(proof, trusted);
        const inLog = Uint8Array.fromBase64(/extra (.*)/.exec(proof)?.[1] ?? '');
        expect(equalBytes(inLog, before.logged[index] as Uint8Array)).toBe(true);
      }
      await checkTiles(await readLog(left, trusted));
    }
  }, 60_000);
});

test('killed again and again while it recovers, it still opens', async () => {
  let disk = new MemoryDisk();
  let sizeBefore = 0;
  for (let round = 0; round < 120; round++) {
    disk.dieAt = disk.operations + 1 + ((round * 7) % 60);
    const { logged } = await live(disk, `r${round}-`);
    disk = disk.after(round % 2 === 0 ? 'kill' : 'power cut');
    const note = disk.files.get('checkpoint');
    const { size } = note === undefined ? { size: 0 } : await openCheckpoint(note, trusted);
    expect(size).toBeGreaterThanOrEqual(sizeBefore + logged.length);
    sizeBefore = size;
  }
  const log = await TransparencyLog.open(options(disk));
  expect(log.head.size).toBeGreaterThan(1000);
  await checkTiles(await readLog(disk, trusted));
});

test('a checkpoint that was signed and not yet published is finished, not signed over', async () => {
  const disk = new MemoryDisk();
  const log = await TransparencyLog.open(options(disk));
  await log.append(group('a', 10));
  const old = disk.files.get('checkpoint') as Uint8Array;
  await log.append(group('b', 10));
  const next = disk.files.get('checkpoint') as Uint8Array;
  disk.files.set('checkpoint', old);
  disk.files.set('checkpoint.next', next);
  const again = await TransparencyLog.open(options(disk));
  expect(again.checkpoint).toBe(textOf(next, 'NOTE_BAD'));
  expect(disk.files.has('checkpoint.next')).toBe(false);
  // One that somebody else signed is nothing.
  disk.files.set('checkpoint.next', utf8('labmesh.example/log\n99\n'));
  expect((await TransparencyLog.open(options(disk))).head.size).toBe(20);
});
