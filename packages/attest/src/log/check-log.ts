/** Looks at a whole log as a stranger would: every hash computed anew from the entries, nothing taken on trust but a key. */
import { AttestRefused } from '../attest-refused.ts';
import { equalBytes, utf8 } from '../bytes/bytes.ts';
import type { TrustedLog } from '../keys/trust.ts';
import { openCheckpoint } from '../merkle/checkpoint.ts';
import { entriesOf } from '../merkle/entry-bundle.ts';
import { checkConsistency, type TreeHead } from '../merkle/merkle-tree.ts';
import { emptyEdge, edgeRoot, growEdge, partialTiles, type Tile } from '../merkle/tree-edge.ts';
import { tilePath, tileWidth } from '../merkle/tile-path.ts';
import type { LogDisk } from './log-disk.ts';
import { readTile, TileTree } from './tile-tree.ts';

export type OpenedLog = { disk: LogDisk; checkpoint: string; head: TreeHead };

/** Reads the newest checkpoint. @throws AttestRefused LOG_DAMAGED when there is none; as `openCheckpoint` does. */
export async function readLog(disk: LogDisk, trusted: TrustedLog): Promise<OpenedLog> {
  const note = await disk.read('checkpoint');
  if (note === undefined) throw new AttestRefused('LOG_DAMAGED', 'there is no checkpoint');
  const head = await openCheckpoint(note, trusted);
  return { disk, head, checkpoint: new TextDecoder().decode(note) };
}

/** Every entry in order, a bundle at a time. */
export async function* readBundles({ disk, head }: OpenedLog): AsyncGenerator<readonly Uint8Array[]> {
  for (let index = 0; index * tileWidth < head.size; index++) {
    yield entriesOf(await readTile(disk, 'entries', index, head.size));
  }
}

async function compareTile({ disk, head }: OpenedLog, tile: Tile): Promise<void> {
  const found = await readTile(disk, tile.level, tile.index, head.size);
  if (!equalBytes(found, tile.bytes))
    throw new AttestRefused('LOG_DAMAGED', `${tilePath(tile)} is not as it was written`);
}

/** @throws AttestRefused LOG_DAMAGED that names the first tile at fault. */
export async function checkTiles(log: OpenedLog): Promise<void> {
  let edge = emptyEdge;
  for await (const entries of readBundles(log)) {
    const grown = growEdge(edge, entries);
    edge = grown.edge;
    for (const tile of grown.full) await compareTile(log, tile);
  }
  for (const tile of partialTiles(edge)) await compareTile(log, tile);
  if (edge.size !== log.head.size || !equalBytes(edgeRoot(edge), log.head.root)) {
    throw new AttestRefused('LOG_DAMAGED', 'the entries do not lead to the root of the checkpoint');
  }
}

/**
 * Whether this log goes on from a checkpoint that was seen before.
 * @throws AttestRefused LOG_SPLIT_VIEW when it does not: entries were taken away or changed, or there are two logs.
 */
export async function checkGoesOn({ disk, head }: OpenedLog, earlier: string, trusted: TrustedLog): Promise<TreeHead> {
  const older = await openCheckpoint(utf8(earlier), trusted);
  if (older.size > head.size) {
    throw new AttestRefused('LOG_SPLIT_VIEW', `the log had ${older.size} entries and has ${head.size}`);
  }
  const path = await new TileTree(disk, head.size).consistencyPath(older.size);
  checkConsistency(older, head, path);
  return older;
}
