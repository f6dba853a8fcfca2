import { describe, expect, test } from 'bun:test';
import { utf8 } from '../bytes/bytes.ts';
import { generateSigner } from '../keys/signing-key.ts';
import { openCheckpoint } from '../merkle/checkpoint.ts';
import { entryBytes } from '../merkle/log-entry.ts';
import { checkConsistency } from '../merkle/merkle-tree.ts';
import { verifyProof } from '../merkle/tlog-proof.ts';
import { type MemoryDisk, memoryDisk } from '../testing/memory-disk.ts';
import { refusalOf } from '../testing/refusal.ts';
import { TransparencyLog } from './transparency-log.ts';

const origin = 'labmesh.example/log';
const signer = generateSigner();
const trusted = { origin, key: signer.publicKey };
const open = (disk: MemoryDisk) => TransparencyLog.open({ disk, origin, signer });
const entry = (index: number) =>
  entryBytes({ v: 1, kind: 'audit', id: `e${index}`, sha256: '0'.repeat(64), time: '2026-03-01T12:00:00Z' });
const entries = (from: number, count: number) => Array.from({ length: count }, (_, offset) => entry(from + offset));

describe('a log', () => {
  test('begins empty, with a checkpoint that says so', async () => {
    const disk = memoryDisk();
    const log = await open(disk);
    expect(log.head.size).toBe(0);
    expect(await openCheckpoint(utf8(log.checkpoint), trusted)).toEqual(log.head);
    expect([...disk.files.keys()]).toEqual(['checkpoint']);
  });

  test('holds what was appended, and proves it', async () => {
    const log = await open(memoryDisk());
    expect((await log.append(entries(0, 3))).firstIndex).toBe(0);
    const { firstIndex, head } = await log.append(entries(3, 300));
    expect([firstIndex, head.size]).toEqual([3, 303]);
    for (const index of [0, 2, 3, 255, 256, 302]) {
      const proven = await verifyProof(await log.prove(index), trusted);
      expect([proven.entry.id, proven.index, proven.head]).toEqual([`e${index}`, index, head]);
    }
    expect(await refusalOf(() => log.prove(303))).toBe('LOG_PROOF_BAD');
  });

  test('lies on disk as tlog-tiles says, without the partial tiles that became full', async () => {
    const disk = memoryDisk();
    const log = await open(disk);
    for (const count of [200, 100, 212]) await log.append(entries(log.head.size, count));
    expect([...disk.files.keys()].toSorted()).toEqual([
      'checkpoint',
      'tile/0/000',
      'tile/0/001',
      'tile/1/000.p/1',
      'tile/1/000.p/2',
      'tile/entries/000',
      'tile/entries/001',
    ]);
    expect(disk.files.get('tile/0/000')).toHaveLength(8192);
  });

  test('goes on where it was when it is opened again', async () => {
    const disk = memoryDisk();
    const first = await open(disk);
    await first.append(entries(0, 700));
    const again = await open(disk);
    expect(again.head).toEqual(first.head);
    const before = first.head;
    await again.append(entries(700, 60_000));
    await again.append(entries(60_700, 8300));
    expect((await open(disk)).head).toEqual(again.head);
    checkConsistency(before, again.head, await again.proveConsistency(before.size));
    expect((await verifyProof(await again.prove(68_999), trusted)).entry.id).toBe('e68999');
  });

  test('takes nothing too large, and one group at a time', async () => {
    const log = await open(memoryDisk());
    expect(await refusalOf(() => log.append([new Uint8Array(513)]))).toBe('TOO_LARGE');
    expect(await refusalOf(() => log.append(Array.from({ length: 65_537 }, () => entry(0))))).toBe('TOO_LARGE');
    const writing = log.append(entries(0, 2));
    expect(await refusalOf(() => log.append(entries(2, 1)))).toBe('LOG_BUSY');
    await writing;
    expect((await log.append([])).head.size).toBe(2);
  });
});

describe('a log that was tampered with does not open', () => {
  const filled = async () => {
    const disk = memoryDisk();
    await (await open(disk)).append(entries(0, 300));
    return disk;
  };

  test('its checkpoint gone, it is not begun anew', async () => {
    const disk = await filled();
    disk.files.delete('checkpoint');
    expect(await refusalOf(() => open(disk))).toBe('LOG_DAMAGED');
  });

  test('a tile of its edge changed, cut or gone', async () => {
    for (const path of ['tile/0/001.p/44', 'tile/1/000.p/1', 'tile/entries/001.p/44']) {
      const disk = await filled();
      const bytes = disk.files.get(path) as Uint8Array;
      if (!path.includes('entries')) {
        disk.files.set(path, bytes.with(0, (bytes[0] ?? 0) ^ 1));
        expect(await refusalOf(() => open(disk))).toBe('LOG_DAMAGED');
      }
      disk.files.set(path, bytes.subarray(0, bytes.length - 1));
      expect(['LOG_DAMAGED', 'TILE_BAD']).toContain((await refusalOf(() => open(disk))) ?? 'opened');
      disk.files.delete(path);
      expect(await refusalOf(() => open(disk))).toBe('LOG_DAMAGED');
    }
  });

  test('a checkpoint of another key, or another name', async () => {
    const disk = await filled();
    expect(await refusalOf(() => TransparencyLog.open({ disk, origin, signer: generateSigner() }))).toBe(
      'SIGNATURE_BAD',
    );
    expect(await refusalOf(() => TransparencyLog.open({ disk, origin: 'other.example', signer }))).toBe(
      'SIGNATURE_BAD',
    );
  });
});

test('after a write that failed nothing more is taken: only the disk knows how far it came', async () => {
  const disk = memoryDisk();
  const log = await open(disk);
  await log.append(entries(0, 5));
  disk.dieAt = disk.operations + 4;
  expect(await refusalOf(() => log.append(entries(5, 5)))).toBe('LOG_FAILED');
  disk.dieAt = Number.POSITIVE_INFINITY;
  expect(await refusalOf(() => log.append(entries(5, 5)))).toBe('LOG_FAILED');
  expect(log.head.size).toBe(5);
  const again = await open(disk);
  expect((await again.append(entries(5, 5))).head.size).toBe(10);
});
