import { entriesOf } from '../merkle/entry-bundle.ts';
import { hashesAt, type TreeEdge } from '../merkle/tree-edge.ts';
import { tileWidth } from '../merkle/tile-path.ts';
import type { LogDisk } from './log-disk.ts';
import { readTile, splitHashes } from './tile-tree.ts';

/** The edge of a log of `size` as its tiles have it. @throws AttestRefused LOG_DAMAGED, TILE_BAD */
export async function readEdge(disk: LogDisk, size: number): Promise<TreeEdge> {
  const levels = [];
  for (let level = 0; hashesAt(level, size) > 0; level++) {
    const hashes = hashesAt(level, size);
    const isFull = hashes % tileWidth === 0;
    levels.push(isFull ? [] : splitHashes(await readTile(disk, level, Math.floor(hashes / tileWidth), size)));
  }
  const isFull = size % tileWidth === 0;
  const entries = isFull ? [] : entriesOf(await readTile(disk, 'entries', Math.floor(size / tileWidth), size));
  return { size, levels, entries };
}
