import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { uuidv7 } from '@labmesh/wire/ids';
import fc from 'fast-check';
import type { Batch } from './entry.ts';
import { memoryBytesMax, Spool } from './spool.ts';

const top = mkdtempSync(join(tmpdir(), 'labmesh-spool-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let folder = '';
let count = 0;
beforeEach(() => {
  folder = join(top, String(count++));
});

const mib = 1024 * 1024;
const open = (bytesMax = 64 * mib, at = folder) => Spool.open({ folder: at, bytesMax, log: silentLogger });
const batchOf = (n: number, lines = 1, textBytes = 10): Batch => ({
  id: uuidv7(),
  readAt: n,
  places: { file: `place ${n}` },
  lines: Array.from({ length: lines }, (_, i) => ({ at: null, text: `${n}.${i} `.padEnd(textBytes, 'x') })),
});
const segments = () => readdirSync(folder).filter((name) => name.endsWith('.spool'));

/** Takes everything out. */
async function drained(spool: Spool): Promise<Batch[]> {
  const taken: Batch[] = [];
  for (let batch = await spool.head(); batch !== undefined; batch = await spool.head()) {
    taken.push(batch);
    await spool.done(batch.id, 'shipped');
  }
  return taken;
}

describe('the order of things', () => {
  test('first in, first out; the head stays until it is done, and nobody else is', async () => {
    const spool = await open();
    const batches = [batchOf(1), batchOf(2, 3), batchOf(3)];
    for (const batch of batches) await spool.append(batch);
    expect([await spool.head(), await spool.head()]).toMatchObject([batches[0]!, batches[0]!]);
    await spool.done(batches[1]!.id, 'shipped');
    expect(await drained(spool)).toMatchObject(batches);
    expect([spool.shippedLines, spool.droppedLines, await spool.head()]).toEqual([5, 0, undefined]);
    expect(spool.placeOf('file')).toBe('place 3');
  });

  test('a batch that will never be taken counts as dropped', async () => {
    const spool = await open();
    await spool.append(batchOf(1, 4));
    await spool.done((await spool.head())!.id, 'dropped');
    expect([spool.shippedLines, spool.droppedLines, spool.bytes]).toEqual([0, 4, 0]);
  });

  test('nobody but the agent may read it', async () => {
    const spool = await open();
    await spool.append(batchOf(1));
    await spool.close();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  test('files that are through are removed', async () => {
    const spool = await open();
    for (let n = 0; n < 100; n++) await spool.append(batchOf(n, 5, 10_000));
    expect(segments().length).toBeGreaterThan(4);
    await drained(spool);
    expect(segments().length).toBeLessThanOrEqual(1);
  });
});

describe('AG-7 a restart', () => {
  test(
    'kill -9 at any moment: what was not done comes again under its id, in order, and places are those of all',
    () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom('append', 'big', 'done', 'kill', 'close'), { maxLength: 40 }),
          async (steps) => {
            const at = join(top, `p${count++}`);
            let spool = await open(64 * mib, at);
            const all: Batch[] = [];
            let done = 0;
            for (const step of steps) {
              if (step === 'append' || step === 'big') {
                const batch = batchOf(all.length, 3, step === 'big' ? 15_000 : 10);
                all.push(batch);
                await spool.append(batch);
              } else if (step === 'done') {
                const head = await spool.head();
                expect(head?.id).toBe(all[done]?.id);
                if (head === undefined) continue;
                await spool.done(head.id, 'shipped');
                done++;
              } else {
                if (step === 'close') await spool.close();
                // A kill leaves the old one as it is; nothing of it is used again.
                spool = await open(64 * mib, at);
                const again = await spool.head();
                const from = again === undefined ? all.length : all.findIndex(({ id }) => id === again.id);
                expect(from).toBeLessThanOrEqual(done);
                if (step === 'close') expect(from).toBe(done);
                done = from;
                if (all.length > 0) expect(spool.placeOf('file')).toBe(`place ${all.length - 1}`);
              }
            }
            expect((await drained(spool)).map(({ id }) => id)).toEqual(all.slice(done).map(({ id }) => id));
            rmSync(at, { recursive: true });
          },
        ),
        { numRuns: 60 },
      ),
    60_000,
  );

  test('half a batch at the end, as a power cut leaves it, is none', async () => {
    const spool = await open();
    await spool.append(batchOf(1));
    const [name = ''] = segments();
    const whole = readFileSync(join(folder, name), 'utf8');
    appendFileSync(join(folder, name), whole.slice(0, whole.length / 2).replace('"seq":1', '"seq":2'));
    const again = await open();
    expect(await drained(again)).toHaveLength(1);
    await again.append(batchOf(2));
    expect(await drained(await open())).toMatchObject([{ readAt: 2 }]);
  });

  test('a state that cannot be read, and files of others, stop nothing', async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'state.json'), '{"version":7}');
    writeFileSync(join(folder, 'note.txt'), 'mine');
    writeFileSync(join(folder, '0000000000000003.spool'), '\u0000\u0000 nonsense\n');
    const spool = await open();
    expect([await spool.head(), spool.bytes]).toEqual([undefined, 0]);
    await spool.append(batchOf(1));
    expect(await drained(spool)).toHaveLength(1);
  });

  test('where sources begin is there at once, and sources that are not asked for are forgotten', async () => {
    const spool = await open();
    await spool.begin({ a: '1', b: '2' });
    const again = await open();
    expect([again.placeOf('a'), again.placeOf('b')]).toEqual(['1', '2']);
    await again.begin({ b: '2' });
    expect((await open()).placeOf('a')).toBeUndefined();
  });
});

describe('AG-5 bounds', () => {
  test('past spool_max the oldest go and are counted; what is left is in order', async () => {
    const spool = await open(mib);
    for (let n = 0; n < 60; n++) {
      await spool.append(batchOf(n, 10, 5_000));
      const bytes = segments().reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
      expect(bytes).toBeLessThanOrEqual(mib);
    }
    const left = await drained(await open(mib));
    expect(left.length).toBeGreaterThan(10);
    expect(left.map(({ readAt }) => readAt)).toEqual(left.map((_, i) => 60 - left.length + i));
    expect(spool.droppedLines).toBe((60 - left.length) * 10);
    expect((await open(mib)).droppedLines).toBe(spool.droppedLines);
  });

  test('the head that is dropped while it is on its way is dropped once', async () => {
    const spool = await open(mib);
    await spool.append(batchOf(0, 10, 5_000));
    const head = await spool.head();
    for (let n = 1; n < 60; n++) await spool.append(batchOf(n, 10, 5_000));
    const dropped = spool.droppedLines;
    await spool.done(head!.id, 'shipped');
    expect([spool.shippedLines, spool.droppedLines]).toEqual([0, dropped]);
    expect((await spool.head())!.readAt).toBeGreaterThan(0);
  });

  test.each([['spool_max = 0'], ['a disk that takes nothing']])(
    '%s: 4 MiB in memory, and they go out from there',
    async (how) => {
      const spool = await open(how === 'spool_max = 0' ? 0 : 64 * mib);
      // A folder in place of the next file: nothing can be written, whoever tries.
      if (how !== 'spool_max = 0')
        for (let seq = 1; seq <= 200; seq++) mkdirSync(join(folder, `${String(seq).padStart(16, '0')}.spool`));
      for (let n = 0; n < 120; n++) await spool.append(batchOf(n, 10, 5_000));
      expect(spool.bytes).toBeLessThanOrEqual(memoryBytesMax);
      expect(spool.bytes).toBeGreaterThan(memoryBytesMax / 2);
      const left = await drained(spool);
      expect(left.at(-1)).toMatchObject({ readAt: 119 });
      expect(left.length * 10 + spool.droppedLines).toBe(1_200);
      expect(spool.placeOf('file')).toBe('place 119');
    },
  );

  test('what is dropped from memory takes nothing from the disk with it', async () => {
    const spool = await open();
    for (let n = 0; n < 25; n++) await spool.append(batchOf(n, 10, 5_000));
    const files = segments().length;
    // The file that is written stays as it is; the next one cannot be made.
    for (let seq = 26; seq <= 200; seq++) mkdirSync(join(folder, `${String(seq).padStart(16, '0')}.spool`));
    for (let n = 25; n < 160; n++) await spool.append(batchOf(n, 10, 5_000));
    await spool.close();
    expect([files > 1, spool.droppedLines > 0]).toEqual([true, true]);
    for (const name of segments().filter((one) => one > '0000000000000025'))
      rmSync(join(folder, name), { recursive: true });
    const left = await drained(await open());
    expect(left.map(({ readAt }) => readAt).slice(0, 25)).toEqual(Array.from({ length: 25 }, (_, n) => n));
  });

  test('the disk takes again: what waited in memory goes there, and keeps its id', async () => {
    const spool = await open();
    const blocked = join(folder, '0000000000000001.spool');
    mkdirSync(blocked);
    await spool.append(batchOf(1));
    const head = await spool.head();
    rmSync(blocked, { recursive: true });
    await spool.append(batchOf(2));
    expect((await open()).bytes).toBe(spool.bytes);
    await spool.done(head!.id, 'shipped');
    expect(await drained(spool)).toMatchObject([{ readAt: 2 }]);
  });
});
