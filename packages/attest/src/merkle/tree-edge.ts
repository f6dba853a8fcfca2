/**
 * The right edge of a log: the tiles that are not full yet. Entries are added here and full tiles fall out; nothing is
 * read or written, so that the log's writer and whoever checks a log compute the same tiles by the same code.
 */
import { bundleOf } from './entry-bundle.ts';
import { emptyRoot, type Hash, leafHash, nodeHash } from './merkle-tree.ts';
import { type TileRef, tileWidth } from './tile-path.ts';

export type TreeEdge = {
  size: number;
  /** Of each tile level, lowest first, the hashes of its last tile: 0 to 255. */
  levels: readonly (readonly Hash[])[];
  /** Entries of the last bundle: 0 to 255. */
  entries: readonly Uint8Array[];
};

export type Tile = TileRef & { bytes: Uint8Array<ArrayBuffer> };

export const emptyEdge: TreeEdge = { size: 0, levels: [], entries: [] };

export function joinHashes(hashes: readonly Hash[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hashes.length * 32);
  hashes.forEach((hash, index) => bytes.set(hash, index * 32));
  return bytes;
}

/** Pairs hashed together; a last one without a pair is left out. */
export function pairHashes(hashes: readonly Hash[]): Hash[] {
  const pairs: Hash[] = [];
  for (let at = 0; at + 1 < hashes.length; at += 2) pairs.push(nodeHash(hashes[at] as Hash, hashes[at + 1] as Hash));
  return pairs;
}

function tileRoot(hashes: readonly Hash[]): Hash {
  let row = hashes;
  while (row.length > 1) row = pairHashes(row);
  return row[0] as Hash;
}

/** Hashes of level `level` that a log of `size` has. */
export const hashesAt = (level: number, size: number): number => Math.floor(size / tileWidth ** level);

/** Adds hashes at a level and their tiles' roots above it. */
function push(levels: Hash[][], level: number, index: number, added: readonly Hash[], full: Tile[]): void {
  const hashes = [...(levels[level] ?? []), ...added];
  const roots: Hash[] = [];
  let from = 0;
  for (; hashes.length - from >= tileWidth; from += tileWidth) {
    const tile = hashes.slice(from, from + tileWidth);
    full.push({ level, index: index + from / tileWidth, width: tileWidth, bytes: joinHashes(tile) });
    roots.push(tileRoot(tile));
  }
  levels[level] = hashes.slice(from);
  if (roots.length > 0) push(levels, level + 1, Math.floor(index / tileWidth), roots, full);
}

/** The edge with more entries, and the tiles and bundles that became full by them. */
export function growEdge(edge: TreeEdge, added: readonly Uint8Array[]): { edge: TreeEdge; full: Tile[] } {
  const full: Tile[] = [];
  const levels = edge.levels.map((hashes) => [...hashes]);
  const index = Math.floor(edge.size / tileWidth);
  push(levels, 0, index, added.map(leafHash), full);
  const entries = [...edge.entries, ...added];
  let from = 0;
  for (; entries.length - from >= tileWidth; from += tileWidth) {
    const bytes = bundleOf(entries.slice(from, from + tileWidth));
    full.push({ level: 'entries', index: index + from / tileWidth, width: tileWidth, bytes });
  }
  return { edge: { size: edge.size + added.length, levels, entries: entries.slice(from) }, full };
}

/** The tiles and the bundle at the edge that hold something and are not full. */
export function partialTiles({ size, levels, entries }: TreeEdge): Tile[] {
  const tiles: Tile[] = levels.flatMap((hashes, level) => {
    const index = Math.floor(hashesAt(level, size) / tileWidth);
    return hashes.length === 0 ? [] : [{ level, index, width: hashes.length, bytes: joinHashes(hashes) }];
  });
  if (entries.length === 0) return tiles;
  const index = Math.floor(size / tileWidth);
  return [...tiles, { level: 'entries', index, width: entries.length, bytes: bundleOf(entries) }];
}

/** Roots of the whole trees that a row of hashes makes up, the largest first: 6 hashes → a tree of 4 and one of 2. */
function wholeTrees(hashes: readonly Hash[]): Hash[] {
  const roots: Hash[] = [];
  for (let row = hashes; row.length > 0; row = pairHashes(row)) {
    if (row.length % 2 === 1) roots.unshift(row.at(-1) as Hash);
  }
  return roots;
}

/** The root of the whole log (RFC 6962 section 2.1), from its edge alone. */
export function edgeRoot({ levels }: TreeEdge): Hash {
  const roots = levels.toReversed().flatMap(wholeTrees);
  return roots.length === 0 ? emptyRoot() : roots.reduceRight((right, left) => nodeHash(left, right));
}
