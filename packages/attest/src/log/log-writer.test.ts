import { describe, expect, test } from 'bun:test';
import { utf8 } from '../bytes/bytes.ts';
import { generateSigner } from '../keys/signing-key.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { refusalOf } from '../testing/refusal.ts';
import { LogWriter } from './log-writer.ts';
import { TransparencyLog } from './transparency-log.ts';

const signer = generateSigner();

async function ground(options: { checkpointMs?: number; waitingMax?: number } = {}) {
  const disk = new MemoryDisk();
  const log = await TransparencyLog.open({ disk, origin: 'labmesh.example/log', signer });
  const writer = new LogWriter({ log, checkpointMs: 5, ...options });
  return { disk, log, writer };
}

describe('the log writer', () => {
  test('makes one group, and one checkpoint, of what comes in a while', async () => {
    const { disk, log, writer } = await ground();
    const before = disk.operations;
    const indexes = await Promise.all(Array.from({ length: 200 }, (_, index) => writer.add(utf8(`${index}`))));
    expect(indexes).toEqual(Array.from({ length: 200 }, (_, index) => index));
    expect(log.head.size).toBe(200);
    // One checkpoint.next, one rename, two tiles, and folders: not 200 times.
    expect(disk.operations - before).toBeLessThan(20);
  });

  test('tells each where it is, over several groups that follow each other', async () => {
    const { log, writer } = await ground({ checkpointMs: 60_000 });
    const first = writer.add(utf8('a'));
    const writing = writer.flush();
    const second = writer.add(utf8('b'));
    await writing;
    await writer.flush();
    expect([await first, await second, log.head.size]).toEqual([0, 1, 2]);
  });

  test('takes no more than may wait, and nothing too large: the others are not harmed', async () => {
    const { writer } = await ground({ checkpointMs: 60_000, waitingMax: 2 });
    const waiting = [writer.add(utf8('a')), writer.add(utf8('b'))];
    expect(await refusalOf(() => writer.add(utf8('c')))).toBe('LOG_BUSY');
    expect(await refusalOf(() => writer.add(new Uint8Array(513)))).toBe('TOO_LARGE');
    await writer.flush();
    expect(await Promise.all(waiting)).toEqual([0, 1]);
  });

  test('says so to each when the group could not be written', async () => {
    const { disk, writer } = await ground();
    disk.dieAt = disk.operations + 3;
    const waiting = [writer.add(utf8('a')), writer.add(utf8('b'))];
    for (const one of waiting) expect(await refusalOf(() => one)).toBe('LOG_FAILED');
    expect(await refusalOf(() => writer.add(utf8('c')))).toBe('LOG_FAILED');
  });

  test('writes what waits when it ends, and then takes nothing', async () => {
    const { log, writer } = await ground({ checkpointMs: 60_000 });
    const waiting = writer.add(utf8('a'));
    await writer[Symbol.asyncDispose]();
    expect([await waiting, log.head.size]).toEqual([0, 1]);
    expect(await refusalOf(() => writer.add(utf8('b')))).toBe('LOG_FAILED');
  });
});
