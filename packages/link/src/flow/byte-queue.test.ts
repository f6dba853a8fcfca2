import { expect, test } from 'bun:test';
import { dataHeadBytes } from '@labmesh/wire/frame/codec';
import fc from 'fast-check';
import { ByteQueue, dataBytesMax } from './byte-queue.ts';

/** Bytes that tell their own count. */
const bytesFrom = (start: number, size: number) =>
  Uint8Array.from({ length: size }, (_, index) => (start + index) % 251);

/** A DATA frame with these bytes, in a buffer of its own. */
const frameOf = (bytes: Uint8Array) => Buffer.concat([Buffer.alloc(dataHeadBytes), bytes]);

type Step = {
  kind: 'append' | 'adopt' | 'takeFrame' | 'takeBytes' | 'release' | 'rewind';
  share: number;
  size: number;
};

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(
      'append' as const,
      'append' as const,
      'adopt' as const,
      'takeFrame' as const,
      'takeBytes' as const,
      'release' as const,
      'rewind' as const,
    ),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    size: fc.oneof(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 900, max: 1200 }),
      fc.integer({ min: 8_000, max: 16_384 }),
      fc.integer({ min: 16_000, max: 40_000 }),
      fc.integer({ min: 65_000, max: 140_000 }),
    ),
  }),
  { maxLength: 120 },
);

/** One step on the queue and on the model, which is three counts. */
function run(queue: ByteQueue, { kind, share, size }: Step): void {
  const { released, passed, written } = queue;
  if (kind === 'append' || kind === 'adopt') {
    if (kind === 'append') queue.append(bytesFrom(written, size));
    else queue.adopt(frameOf(bytesFrom(written, size)));
    expect([queue.released, queue.passed, queue.written]).toEqual([released, passed, written + size]);
    return;
  }
  if (kind === 'release') {
    const count = released + Math.floor(share * (passed - released + 1));
    queue.release(Math.min(count, passed));
    expect(queue.passed).toBe(passed);
    return;
  }
  if (kind === 'rewind') {
    queue.rewind(Math.min(written, released + Math.floor(share * (written - released + 1))));
    expect([queue.released, queue.written]).toEqual([released, written]);
    return;
  }
  // Alone, or beside others that wait.
  const most = size % 2 === 0 ? dataBytesMax : 16 * 1024;
  const frame = kind === 'takeFrame' ? queue.takeFrame(most) : queue.takeBytes();
  if (frame === undefined) return expect(passed).toBe(written);
  const bytes = kind === 'takeFrame' ? frame.subarray(dataHeadBytes) : frame;
  expect(bytes.length).toBeGreaterThan(0);
  expect(bytes.length).toBeLessThanOrEqual(kind === 'takeFrame' ? most : dataBytesMax);
  expect(Buffer.from(bytes).equals(bytesFrom(passed, bytes.length))).toBe(true);
  expect(queue.passed).toBe(passed + bytes.length);
  if (kind === 'takeBytes') expect(queue.released).toBe(queue.passed);
}

test('HB-6: any order of writes, takes, releases and rewinds gives each byte at its count', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new ByteQueue();
      for (const step of all) run(queue, step);
      queue.rewind(queue.released);
      let at = queue.released;
      for (let frame = queue.takeFrame(dataBytesMax); frame !== undefined; frame = queue.takeFrame(dataBytesMax)) {
        expect(Buffer.from(frame.subarray(dataHeadBytes)).equals(bytesFrom(at, frame.length - dataHeadBytes))).toBe(
          true,
        );
        at += frame.length - dataHeadBytes;
      }
      expect(at).toBe(queue.written);
    }),
    { numRuns: 400 },
  );
});

test('a small write joins the last block after a rewind to the very end', () => {
  const queue = new ByteQueue();
  queue.append(bytesFrom(0, 10));
  queue.takeFrame(dataBytesMax);
  queue.rewind(10);
  queue.append(bytesFrom(10, 5));
  queue.rewind(3);
  expect(Buffer.from(queue.takeFrame(dataBytesMax)!.subarray(dataHeadBytes))).toEqual(Buffer.from(bytesFrom(3, 12)));
});

test('a frame that a socket may still hold is not written to again', () => {
  const queue = new ByteQueue();
  queue.append(bytesFrom(0, 2000));
  const first = queue.takeFrame(dataBytesMax)!;
  first[0] = 0x10;
  queue.rewind(0);
  const second = queue.takeFrame(dataBytesMax)!;
  second[0] = 0x11;
  expect(first[0]).toBe(0x10);
  expect(second.buffer).not.toBe(first.buffer);
  // Nor one of which a part went first.
  queue.rewind(0);
  queue.append(bytesFrom(2000, 40_000));
  queue.takeFrame(dataBytesMax);
  const part = queue.takeFrame(16 * 1024)!;
  const rest = queue.takeFrame(dataBytesMax)!;
  expect([part.length, rest.length]).toEqual([dataHeadBytes + 16 * 1024, dataHeadBytes + 40_000 - 16 * 1024]);
  expect(Buffer.from(rest.subarray(dataHeadBytes))).toEqual(
    Buffer.from(bytesFrom(2000 + 16 * 1024, 40_000 - 16 * 1024)),
  );
});

test('a window of one-byte writes takes about a window of memory', () => {
  const queue = new ByteQueue();
  const window = 256 * 1024;
  for (let at = 0; at < window; at++) {
    queue.append(bytesFrom(at, 1));
    queue.takeFrame(dataBytesMax);
  }
  expect(queue.size).toBe(window);
  expect(queue.memoryBytes).toBeLessThan(1.1 * window);
  queue.release(window);
  expect(queue.memoryBytes).toBe(0);
});

test('a full block that is taken once is not copied', () => {
  const queue = new ByteQueue();
  queue.append(bytesFrom(0, dataBytesMax));
  expect(queue.takeFrame(dataBytesMax)!.length).toBe(dataHeadBytes + dataBytesMax);
  queue.append(bytesFrom(dataBytesMax, 100));
  const bytes = queue.takeBytes()!;
  expect(bytes.byteOffset).toBe(dataHeadBytes);
  expect(queue.size).toBe(0);
});

test('a frame of a usual size is taken over as it is, and small or huge ones are copied', () => {
  const queue = new ByteQueue();
  const own = (size: number) => {
    const frame = new Uint8Array(dataHeadBytes + size);
    queue.adopt(frame);
    return queue.takeFrame(dataBytesMax)?.buffer === frame.buffer;
  };
  expect([100, 8 * 1024, 16 * 1024, dataBytesMax, dataBytesMax + 1].map(own)).toEqual([false, true, true, true, false]);
});

test('a frame in a larger buffer does not keep that buffer', () => {
  const queue = new ByteQueue();
  const large = new Uint8Array(512 * 1024);
  queue.adopt(large.subarray(1000, 1000 + dataHeadBytes + 16 * 1024));
  expect(queue.memoryBytes).toBeLessThan(20 * 1024);
  expect(queue.takeFrame(dataBytesMax)!.buffer).not.toBe(large.buffer);
});
