import { describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { ChunkError, ChunkOpener, ChunkSealer, chunkBytesMax } from './sealed-chunks.ts';

const key = new Uint8Array(32).fill(0x22);
const pieces = [Uint8Array.of(1, 2, 3), new Uint8Array(), randomBytes(chunkBytesMax), Uint8Array.of(9)];

function sealAll(plain: readonly Uint8Array[], context = 'c', withKey = key): Uint8Array[] {
  const sealer = new ChunkSealer(withKey, context);
  return plain.map((each, i) => sealer.seal(each, i === plain.length - 1));
}

function openAll(bytes: Uint8Array, step = Infinity, context = 'c', withKey = key): Uint8Array[] {
  const opener = new ChunkOpener(withKey, context);
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += step) found.push(...opener.push(bytes.subarray(at, at + step)));
  opener.end();
  return found;
}

function errorOf(work: () => unknown): ChunkError {
  try {
    work();
  } catch (error) {
    if (error instanceof ChunkError) return error;
    throw error;
  }
  throw new Error('it opened');
}

const file = Buffer.concat(sealAll(pieces));

describe('sealed chunks', () => {
  test('what was sealed comes back, whatever the pieces', () => {
    for (const step of [1, 7, 1000, 65_540, Infinity]) {
      expect(Buffer.concat(openAll(file, step)).equals(Buffer.concat(pieces))).toBe(true);
    }
  });

  test('any plain bytes and any pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 90 }),
        (plain, step) => {
          const opened = openAll(Buffer.concat(sealAll(plain)), step);
          expect(opened.map((each) => [...each])).toEqual(plain.map((each) => [...each]));
        },
      ),
    );
  });

  test('EX-9, BK-1: every bit that flips is found', () => {
    const small = Buffer.concat(sealAll([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]));
    for (let bit = 0; bit < small.length * 8; bit++) {
      const bad = Buffer.from(small);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      errorOf(() => openAll(bad));
    }
  });

  test('EX-9, BK-1: every place it may be cut at is found, a cut between chunks too', () => {
    const small = Buffer.concat(sealAll([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]));
    for (let length = 0; length < small.length; length++) {
      expect(errorOf(() => openAll(small.subarray(0, length))).kind).toBe('cut');
    }
  });

  test('chunks that are swapped, doubled, left out or added are found', () => {
    const [a, b, c, d] = sealAll(pieces) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const bad = [
      [b, a, c, d],
      [a, a, b, c, d],
      [a, c, d],
      [a, b, c, d, d],
      [a, b, d],
      [a, b, c, d, Uint8Array.of(0)],
    ];
    for (const list of bad) expect(errorOf(() => openAll(Buffer.concat(list))).kind).toBe('damaged');
  });

  test('another key, another context and the wrong last flag do not open', () => {
    expect(errorOf(() => openAll(file, Infinity, 'd')).chunk).toBe(0);
    expect(errorOf(() => openAll(file, Infinity, 'c', new Uint8Array(32))).chunk).toBe(0);
    const promoted = Buffer.from(sealAll(pieces)[0] ?? []);
    promoted[0] = 0x80;
    expect(errorOf(() => openAll(promoted)).kind).toBe('damaged');
  });

  test('a length from nowhere is refused before it is waited for', () => {
    expect(errorOf(() => openAll(Uint8Array.of(0x7f, 0xff, 0xff, 0xff))).kind).toBe('damaged');
    expect(errorOf(() => openAll(Uint8Array.of(0, 0, 0, 15))).kind).toBe('damaged');
  });

  test('nothing above 64 KiB is sealed, and nothing after the last', () => {
    const sealer = new ChunkSealer(key, 'c');
    expect(() => sealer.seal(new Uint8Array(chunkBytesMax + 1), false)).toThrow(RangeError);
    sealer.seal(new Uint8Array(), true);
    expect(() => sealer.seal(new Uint8Array(), true)).toThrow(RangeError);
  });
});
