import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { utf8 } from '../bytes/bytes.ts';
import { checkConsistency, leafHash, rootByInclusion, type TreeHead } from '../merkle/merkle-tree.ts';
import { edgeRoot, emptyEdge, growEdge, partialTiles } from '../merkle/tree-edge.ts';
import { tilePath } from '../merkle/tile-path.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { refusalOf } from '../testing/refusal.ts';
import { readTile, TileTree } from './tile-tree.ts';

const sizesMax = 300;
const entryAt = (index: number) => utf8(`entry ${index}`);

/** The tiles of logs of every size up to `sizesMax`, and their heads. */
function everySize(): { disk: MemoryDisk; heads: TreeHead[] } {
  const files = new Map<string, Uint8Array>();
  let edge = emptyEdge;
  const heads: TreeHead[] = [{ size: 0, root: edgeRoot(edge) }];
  for (let size = 1; size <= sizesMax; size++) {
    const grown = growEdge(edge, [entryAt(size - 1)]);
    edge = grown.edge;
    for (const tile of [...grown.full, ...partialTiles(edge)]) files.set(tilePath(tile), tile.bytes);
    heads.push({ size, root: edgeRoot(edge) });
  }
  return { disk: new MemoryDisk(files), heads };
}

const { disk, heads } = everySize();

describe('logs of every size from 1 to 300 (acceptance 5)', () => {
  test('every entry is proven to be in each', async () => {
    for (const { size, root } of heads.slice(1)) {
      const tree = new TileTree(disk, size);
      for (let index = 0; index < size; index++) {
        const path = await tree.inclusionPath(index);
        expect(rootByInclusion(leafHash(entryAt(index)), index, size, path).toHex()).toBe(root.toHex());
      }
    }
  });

  test('each is proven to go on from every smaller one', async () => {
    for (const newer of heads.slice(1)) {
      const tree = new TileTree(disk, newer.size);
      for (let size = 0; size <= newer.size; size++) {
        const older = heads[size] as TreeHead;
        checkConsistency(older, newer, await tree.consistencyPath(size));
      }
    }
  });

  test('a proof is of its own two roots only', async () => {
    for (const [from, to] of [
      [1, 2],
      [3, 7],
      [6, 8],
      [128, 300],
      [255, 256],
      [256, 257],
      [257, 300],
    ] as const) {
      const path = await new TileTree(disk, to).consistencyPath(from);
      const [older, newer] = [heads[from] as TreeHead, heads[to] as TreeHead];
      const other = leafHash(utf8('other'));
      for (const [one, two] of [
        [{ ...older, root: other }, newer],
        [older, { ...newer, root: other }],
      ] as const) {
        expect(['LOG_SPLIT_VIEW', 'LOG_PROOF_BAD']).toContain(
          (await refusalOf(() => checkConsistency(one, two, path))) ?? 'taken',
        );
      }
    }
  });
});

test('an index or size outside is refused', async () => {
  const tree = new TileTree(disk, 10);
  for (const index of [-1, 10, 1.5]) expect(await refusalOf(() => tree.inclusionPath(index))).toBe('LOG_PROOF_BAD');
  for (const size of [-1, 11, 1.5]) expect(await refusalOf(() => tree.consistencyPath(size))).toBe('LOG_PROOF_BAD');
});

test('a partial tile that is gone is read from the full one', async () => {
  const files = new Map([...disk.files].filter(([path]) => !path.includes('.p/')));
  const full = new MemoryDisk(files);
  for (const level of [0, 'entries'] as const) {
    expect(new Uint8Array(await readTile(full, level, 0, 100))).toEqual(
      new Uint8Array(await readTile(disk, level, 0, 100)),
    );
  }
  expect(await refusalOf(() => readTile(full, 0, 1, 300))).toBe('LOG_DAMAGED');
});

test('a tile of the wrong length is refused', async () => {
  const files = new Map(disk.files);
  files.set('tile/0/000.p/7', new Uint8Array(6 * 32));
  files.set('tile/entries/000.p/7', new Uint8Array(6 * 2));
  const cut = new MemoryDisk(files);
  expect(await refusalOf(() => new TileTree(cut, 7).inclusionPath(3))).toBe('LOG_DAMAGED');
  expect(await refusalOf(() => new TileTree(cut, 7).entry(3))).toBe('LOG_DAMAGED');
});

test('any bytes in place of a tile are refused, or are hashes that lead elsewhere', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.constantFrom('0', 'entries'), async (bytes, level) => {
      const files = new Map(disk.files);
      files.set(`tile/${level}/000.p/7`, bytes);
      const tree = new TileTree(new MemoryDisk(files), 7);
      const code = await refusalOf(() => (level === '0' ? tree.inclusionPath(3) : tree.entry(3)));
      // Seven hashes, or seven entries: well formed, and for the checkpoint to judge.
      if (code === undefined) expect(level === '0' ? bytes.length : 7).toBe(level === '0' ? 7 * 32 : 7);
      else expect(['LOG_DAMAGED', 'TILE_BAD']).toContain(code);
    }),
    { numRuns: 300 },
  );
});

test('a large log: entries at both ends of tiles of three levels', async () => {
  const size = 256 * 256 + 256 * 3 + 5;
  const files = new Map<string, Uint8Array>();
  const { edge, full } = growEdge(
    emptyEdge,
    Array.from({ length: size }, (_, index) => entryAt(index)),
  );
  for (const tile of [...full, ...partialTiles(edge)]) files.set(tilePath(tile), tile.bytes);
  const tree = new TileTree(new MemoryDisk(files), size);
  const root = edgeRoot(edge);
  for (const index of [0, 255, 256, 65_535, 65_536, 65_791, 66_303, 66_304, size - 1]) {
    const path = await tree.inclusionPath(index);
    expect(rootByInclusion(leafHash(await tree.entry(index)), index, size, path)).toEqual(root);
    expect(await tree.entry(index)).toEqual(entryAt(index));
  }
});
