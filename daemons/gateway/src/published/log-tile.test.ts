import { expect, test } from 'bun:test';
import { tilePath } from '@labmesh/attest/merkle/tile-path';
import fc from 'fast-check';
import { checkpointSize, isCovered, isFull, readTile } from './log-tile.ts';

test('every name that a log gives a tile is read as that tile', () => {
  const tile = fc.record({
    level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
    index: fc.integer({ min: 0, max: 1e15 }),
    width: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(
    fc.property(tile, ({ level, index, width }) => {
      const read = readTile(tilePath({ level, index, width }));
      expect(read).toEqual({ level: level === 'entries' ? 0 : level, index, width });
      expect(read && isFull(read)).toBe(width === 256);
    }),
  );
});

test.each([
  '',
  'tile',
  'tile/0/1',
  'tile/64/000',
  'tile/0/000.p/0',
  'tile/0/000.p/256',
  'tile/0/000.p/',
  'tile/-1/000',
  // Other spellings.
  'tile/00/000',
  'tile/01/000',
  'tile/0/x000/000',
  'tile/entries/x000/x001/000',
  'tile/0/000.p/01',
  'tile/0/000.p/007',
])('%j is none', (name) => expect(readTile(name)).toBeUndefined());

test('a tree has the tiles that its entries fill, and no other', () => {
  const covered = (name: string, size: number) => isCovered(readTile(name) ?? { level: 0, index: 9e9, width: 1 }, size);
  expect([covered('tile/0/000.p/1', 0), covered('tile/0/000.p/1', 1), covered('tile/0/000', 255)]).toEqual([
    false,
    true,
    false,
  ]);
  expect([covered('tile/0/000', 256), covered('tile/1/000.p/1', 256), covered('tile/1/000', 65_535)]).toEqual([
    true,
    true,
    false,
  ]);
  expect([covered('tile/1/000', 65_536), covered('tile/entries/255', 65_536), covered('tile/63/000', 1e15)]).toEqual([
    true,
    true,
    false,
  ]);
});

test('the size stands in the second line of a note; anything else has none', () => {
  expect(checkpointSize(Buffer.from('example.com/log\n1234\nroot=\n\n— sig\n'))).toBe(1234);
  for (const text of ['', 'x', 'x\n', 'x\n-1\n', 'x\n1e9\n', 'x\n 1\n', `x\n${'9'.repeat(16)}\n`]) {
    expect([text, checkpointSize(Buffer.from(text))]).toEqual([text, undefined]);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000 }), (bytes) => {
      const size = checkpointSize(bytes);
      expect(size === undefined || Number.isSafeInteger(size)).toBe(true);
    }),
  );
});
