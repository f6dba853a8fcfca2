/**
 * The log on disk: tiles as C2SP tlog-tiles lays them out, and a signed checkpoint that says how far they count.
 *
 * One append is one group. In this order: new tiles are written beside those that count and synced, with their folders;
 * the checkpoint is signed into `checkpoint.next` and synced; it is renamed to `checkpoint`; the folder is synced. Then
 * the group is in the log. Killed before the rename, the old checkpoint stands and what lies beyond it is written anew.
 * A `checkpoint.next` with a signature that holds is finished at the next start, never signed over: a log must not sign
 * two histories, not even one that nobody was shown. A key in a service may have signed what never came back: what it is
 * asked for is written down before (`checkpoint.wanted`), and asked for again before anything else.
 */
import { AttestRefused } from '../attest-refused.ts';
import { equalBytes, utf8 } from '../bytes/bytes.ts';
import { isKmsRefusal, isKmsSigner } from '../keys/kms.ts';
import type { Signer } from '../keys/signing-key.ts';
import { openCheckpoint, signCheckpoint } from '../merkle/checkpoint.ts';
import { entryBytesMax } from '../merkle/entry-bundle.ts';
import type { TreeHead } from '../merkle/merkle-tree.ts';
import { proofText } from '../merkle/tlog-proof.ts';
import {
  emptyEdge,
  edgeRoot,
  growEdge,
  hashesAt,
  partialTiles,
  type Tile,
  type TreeEdge,
} from '../merkle/tree-edge.ts';
import { partialsPath, tilePath } from '../merkle/tile-path.ts';
import { foldersAbove, type LogDisk } from './log-disk.ts';
import { readEdge } from './read-edge.ts';
import { TileTree } from './tile-tree.ts';
import { readWanted, writeWanted } from './wanted-checkpoint.ts';

export type LogOptions = {
  disk: LogDisk;
  /** Name of the log, told in every checkpoint. */
  origin: string;
  /** The log's own key, Ed25519. */
  signer: Signer;
};

/** Entries of one append. */
export const groupEntriesMax = 65_536;
/** Files that are written at a time. */
const writesAtOnce = 16;

/** A group that is on disk, and has no signature yet. */
type Unsigned = { edge: TreeEdge; full: readonly Tile[] };

export type Appended = { firstIndex: number; head: TreeHead };

export class TransparencyLog {
  readonly #options: LogOptions;
  /** Folders whose own names are safe. */
  readonly #safeFolders = new Set<string>();
  #edge: TreeEdge;
  #checkpoint: string;
  #tree: TileTree;
  #unsigned: Unsigned | undefined;
  #state: 'ready' | 'appending' | 'failed' = 'ready';

  private constructor(options: LogOptions, edge: TreeEdge, checkpoint: string) {
    this.#options = options;
    this.#edge = edge;
    this.#checkpoint = checkpoint;
    this.#tree = new TileTree(options.disk, edge.size);
  }

  /**
   * Opens the log, or makes an empty one. The caller sees to it that nobody else writes to it.
   * @throws AttestRefused LOG_DAMAGED when the tiles do not lead to the checkpoint, or there are tiles and no checkpoint.
   */
  static async open(options: LogOptions): Promise<TransparencyLog> {
    const { disk, origin, signer } = options;
    const found = await settleCheckpoint(options);
    if (found === undefined) {
      if (await disk.exists('tile')) throw new AttestRefused('LOG_DAMAGED', 'there are tiles and no checkpoint');
      const checkpoint = await signCheckpoint(origin, { size: 0, root: edgeRoot(emptyEdge) }, signer);
      await publish(disk, checkpoint);
      return new TransparencyLog(options, emptyEdge, checkpoint);
    }
    const edge = await readEdge(disk, found.head.size);
    if (!equalBytes(edgeRoot(edge), found.head.root)) {
      throw new AttestRefused('LOG_DAMAGED', 'the tiles do not lead to the root of the checkpoint');
    }
    const log = new TransparencyLog(options, edge, found.checkpoint);
    const wanted = await readWanted(disk, found.head.size);
    if (wanted !== undefined) log.#unsigned = { edge: wanted, full: [] };
    return log;
  }

  get head(): TreeHead {
    return { size: this.#edge.size, root: edgeRoot(this.#edge) };
  }

  /** The newest checkpoint, as it was signed. */
  get checkpoint(): string {
    return this.#checkpoint;
  }

  /**
   * Adds a group. When this resolves, tiles and checkpoint are on disk; not a moment earlier is anything logged.
   * @throws AttestRefused LOG_BUSY while another group is written; TOO_LARGE; LOG_FAILED after a write failed, from then
   * on for every call: what is on disk is then known only to who opens the log anew. KMS_… when the key's service does not
   * sign: the group is signed before the next one, so it may be in the log later.
   */
  async append(entries: readonly Uint8Array[]): Promise<Appended> {
    if (this.#state === 'failed')
      throw new AttestRefused('LOG_FAILED', 'a write failed; the log has to be opened anew');
    if (this.#state === 'appending') throw new AttestRefused('LOG_BUSY', 'another group is being written');
    if (entries.length > groupEntriesMax)
      throw new AttestRefused('TOO_LARGE', `a group has at most ${groupEntriesMax}`);
    if (entries.some(({ length }) => length > entryBytesMax)) {
      throw new AttestRefused('TOO_LARGE', `an entry has at most ${entryBytesMax} bytes`);
    }
    if (entries.length === 0) return { firstIndex: this.#edge.size, head: this.head };
    this.#state = 'appending';
    try {
      if (this.#unsigned !== undefined) await this.#sign(this.#unsigned);
      const firstIndex = this.#edge.size;
      await this.#commit(entries);
      this.#state = 'ready';
      return { firstIndex, head: this.head };
    } catch (error) {
      this.#state = isKmsRefusal(error) ? 'ready' : 'failed';
      if (this.#state === 'ready') throw error;
      throw new AttestRefused('LOG_FAILED', `the log could not be written (${codeOf(error)})`);
    }
  }

  async #commit(entries: readonly Uint8Array[]): Promise<void> {
    const { disk, signer } = this.#options;
    const { edge, full } = growEdge(this.#edge, entries);
    // A tile that did not grow counts already: written in its place and cut, it would take the old checkpoint with it.
    const grown = partialTiles(edge).filter(({ level }) => level === 'entries' || hasGrown(level, this.#edge, edge));
    await this.#writeTiles([...full, ...grown]);
    if (isKmsSigner(signer)) {
      await writeWanted(disk, { size: edge.size, root: edgeRoot(edge) });
      this.#unsigned = { edge, full };
    }
    await this.#sign({ edge, full });
  }

  async #sign({ edge, full }: Unsigned): Promise<void> {
    const { disk, origin, signer } = this.#options;
    const checkpoint = await signCheckpoint(origin, { size: edge.size, root: edgeRoot(edge) }, signer);
    await publish(disk, checkpoint);
    this.#unsigned = undefined;
    this.#edge = edge;
    this.#checkpoint = checkpoint;
    this.#tree = new TileTree(disk, edge.size);
    // Readers of older checkpoints take the full tile from now on.
    for (const { level, index } of full) await disk.remove(partialsPath(level, index)).catch(() => {});
  }

  async #writeTiles(tiles: readonly Tile[]): Promise<void> {
    const { disk } = this.#options;
    const files = tiles.map((tile) => ({ path: tilePath(tile), bytes: tile.bytes }));
    const parents = new Set(files.map(({ path }) => foldersAbove(path)[0] ?? ''));
    for (const folder of parents) if (!this.#safeFolders.has(folder)) await disk.makeFolder(folder);
    for (let from = 0; from < files.length; from += writesAtOnce) {
      const some = files.slice(from, from + writesAtOnce);
      await Promise.all(some.map(({ path, bytes }) => disk.writeSynced(path, bytes)));
    }
    const above = [...parents].filter((folder) => !this.#safeFolders.has(folder)).flatMap(foldersAbove);
    for (const folder of new Set([...parents, ...above])) await disk.syncFolder(folder);
    for (const folder of parents) this.#safeFolders.add(folder);
  }

  /** The proof, as text, that the newest checkpoint holds the entry at `index`. @throws AttestRefused LOG_PROOF_BAD */
  async prove(index: number): Promise<string> {
    const [tree, checkpoint] = [this.#tree, this.#checkpoint];
    const path = await tree.inclusionPath(index);
    return proofText({ entry: await tree.entry(index), index, path, checkpoint });
  }

  /** The path that shows that a log of `older` entries is the beginning of this one. @throws AttestRefused LOG_PROOF_BAD */
  proveConsistency(older: number): Promise<readonly Uint8Array[]> {
    return this.#tree.consistencyPath(older);
  }
}

const hasGrown = (level: number, before: TreeEdge, after: TreeEdge): boolean =>
  hashesAt(level, before.size) !== hashesAt(level, after.size);

const codeOf = (error: unknown): string =>
  error instanceof AttestRefused ? error.code : ((error as NodeJS.ErrnoException).code ?? 'unknown');

async function publish(disk: LogDisk, checkpoint: string): Promise<void> {
  await disk.makeFolder('');
  await disk.writeSynced('checkpoint.next', utf8(checkpoint));
  await disk.rename('checkpoint.next', 'checkpoint');
  await disk.syncFolder('');
}

type Found = { checkpoint: string; head: TreeHead };

/** The checkpoint that counts; one that a killed writer had signed is finished first. */
async function settleCheckpoint({ disk, origin, signer }: LogOptions): Promise<Found | undefined> {
  const log = { origin, key: signer.publicKey };
  const read = async (path: string): Promise<Found | undefined> => {
    const note = await disk.read(path);
    if (note === undefined) return undefined;
    return { checkpoint: new TextDecoder().decode(note), head: await openCheckpoint(note, log) };
  };
  // A torn one was never whole anywhere: nobody can have been shown it.
  const next = await read('checkpoint.next').catch((error: unknown) => {
    if (error instanceof AttestRefused) return undefined;
    throw error;
  });
  const current = await read('checkpoint');
  if (next !== undefined && next.head.size > (current?.head.size ?? -1)) {
    await publish(disk, next.checkpoint);
    return next;
  }
  // It may have been renamed by somebody who was killed before the folder was synced.
  if (current !== undefined) await disk.syncFolder('');
  return current;
}
