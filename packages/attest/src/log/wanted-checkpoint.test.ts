/** A log whose key is in a service: no second history is ever signed, whatever becomes of an answer. */
import { describe, expect, test } from 'bun:test';
import { nextKmsSigner } from '../keys/kms.ts';
import { FakeKms } from '../testing/fake-kms.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { refusalOf } from '../testing/refusal.ts';
import { TransparencyLog } from './transparency-log.ts';

const origin = 'labmesh.example/log';
const entry = (name: string) => new TextEncoder().encode(name);

async function openLog() {
  const kms = new FakeKms();
  const signer = await nextKmsSigner(kms, 'log');
  const disk = new MemoryDisk();
  const open = (on: MemoryDisk) => TransparencyLog.open({ disk: on, origin, signer });
  return { kms, disk, open, log: await open(disk) };
}

/** Sizes that were signed with more than one root. */
function splits({ signed }: FakeKms): string[] {
  const roots = new Map<string, Set<string>>();
  for (const { text } of signed) {
    const [, size = '', root = ''] = text.split('\n');
    roots.set(size, (roots.get(size) ?? new Set()).add(root));
  }
  return [...roots].filter(([, found]) => found.size > 1).map(([size]) => size);
}

describe('when the service does not sign', () => {
  test('the group is refused, the log goes on when it is back, and the group is in it first', async () => {
    const { kms, log } = await openLog();
    await log.append([entry('a')]);
    kms.fault = 'away';
    expect(await refusalOf(() => log.append([entry('b')]))).toBe('KMS_AWAY');
    expect(await refusalOf(() => log.append([entry('c')]))).toBe('KMS_AWAY');
    expect(log.head.size).toBe(1);
    kms.fault = undefined;
    expect((await log.append([entry('d')])).firstIndex).toBe(2);
    expect(log.head.size).toBe(3);
    expect(await log.prove(2)).toContain('c2sp.org/tlog-proof@v1');
  });

  test('what it signed and nobody got is asked for again before anything else', async () => {
    const { kms, disk, log, open } = await openLog();
    kms.fault = 'lost';
    expect(await refusalOf(() => log.append([entry('a'), entry('b')]))).toBe('KMS_AWAY');
    expect(await refusalOf(() => log.append([entry('x')]))).toBe('KMS_AWAY');
    // Killed, and opened with the disk as it is.
    const again = await open(new MemoryDisk(disk.files));
    expect(again.head.size).toBe(0);
    kms.fault = undefined;
    expect((await again.append([entry('y')])).firstIndex).toBe(2);
    expect(splits(kms)).toEqual([]);
  });

  test('killed at any operation of any group, with answers lost and found: one history', async () => {
    for (let dieAt = 1; dieAt < 40; dieAt++) {
      const { kms, disk, log, open } = await openLog();
      disk.operations = 0;
      disk.dieAt = dieAt;
      kms.fault = 'lost';
      await log.append([entry('a')]).catch(() => {});
      kms.fault = undefined;
      await log.append([entry('b')]).catch(() => {});
      const again = await open(new MemoryDisk(disk.files));
      await again.append([entry('c')]);
      await again.append([entry('d')]);
      expect([dieAt, splits(kms)]).toEqual([dieAt, []]);
    }
  });
});

test('tiles that do not lead to what was wanted are damage, not another history', async () => {
  const { kms, disk, log, open } = await openLog();
  kms.fault = 'lost';
  await log.append([entry('a')]).catch(() => {});
  for (const [name, change] of [
    ['tile/0/000.p/1', new Uint8Array(32)],
    ['checkpoint.wanted', entry('{}')],
    ['checkpoint.wanted', entry('null')],
  ] as const) {
    const files = new Map(disk.files);
    expect(files.has(name)).toBe(true);
    files.set(name, change);
    expect(await refusalOf(() => open(new MemoryDisk(files)))).toBe('LOG_DAMAGED');
  }
});
