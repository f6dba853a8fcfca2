/** Proofs out of the tiles of a log on disk. Reads only what a proof needs; tiles never change, so they are kept. */
import { AttestRefused } from '../attest-refused.ts';
import { entriesOf } from '../merkle/entry-bundle.ts';
import { type Hash, hashBytes, nodeHash, splitOf } from '../merkle/merkle-tree.ts';
import { hashesAt, pairHashes } from '../merkle/tree-edge.ts';
import { tilePath, type TileRef, tileWidth } from '../merkle/tile-path.ts';
import type { LogDisk } from './log-disk.ts';

/** Tiles in memory, 16 KiB each with the rows above them. */
const tilesKeptMax = 512;
/** Entry bundles in memory, at most 128 KiB each. */
const bundlesKeptMax = 64;

/** Rows of a tile: its hashes, then pairs of them, up to the root of a full one. */
type TileRows = readonly (readonly Hash[])[];

const damaged = (what: string) => new AttestRefused('LOG_DAMAGED', what);

/** Bytes of a tile of a log of `size`; a partial one may have been taken away once the full one was there. */
export async function readTile(
  disk: LogDisk,
  level: TileRef['level'],
  index: number,
  size: number,
): Promise<Uint8Array> {
  const width = Math.min(tileWidth, hashesAt(level === 'entries' ? 0 : level, size) - index * tileWidth);
  const path = tilePath({ level, index, width });
  const found = await disk.read(path);
  if (found !== undefined) return checkWidth(found, level, width, path);
  const full = tilePath({ level, index, width: tileWidth });
  const bytes = width < tileWidth ? await disk.read(full) : undefined;
  if (bytes === undefined) throw damaged(`${path} is missing`);
  if (level !== 'entries') return bytes.subarray(0, width * hashBytes);
  const end = entriesOf(bytes)
    .slice(0, width)
    .reduce((sum, entry) => sum + 2 + entry.length, 0);
  return bytes.subarray(0, end);
}

function checkWidth(bytes: Uint8Array, level: TileRef['level'], width: number, path: string): Uint8Array {
  const held = level === 'entries' ? entriesOf(bytes).length : bytes.length / hashBytes;
  if (held !== width) throw damaged(`${path} does not hold ${width}`);
  return bytes;
}

export function splitHashes(bytes: Uint8Array): Hash[] {
  return Array.from({ length: bytes.length / hashBytes }, (_, index) =>
    bytes.subarray(index * hashBytes, (index + 1) * hashBytes),
  );
}

/** Of a power of two. Exact, which a logarithm is not. */
function heightOf(width: number): number {
  let height = 0;
  for (let reach = 1; reach < width; reach *= 2) height++;
  return height;
}

/** Values by name, the ones used last. */
class Kept<T> {
  readonly #max: number;
  readonly #values = new Map<string, Promise<T>>();

  constructor(max: number) {
    this.#max = max;
  }

  get(name: string, load: () => Promise<T>): Promise<T> {
    const value = this.#values.get(name) ?? load().catch((error: unknown) => this.#forget(name, error));
    // Put back at the end: the first one is always the one not used for longest.
    this.#values.delete(name);
    this.#values.set(name, value);
    const [oldest] = this.#values.keys();
    if (this.#values.size > this.#max && oldest !== undefined) this.#values.delete(oldest);
    return value;
  }

  /** A read that failed is tried anew by whoever asks next. */
  #forget(name: string, error: unknown): never {
    this.#values.delete(name);
    throw error;
  }
}

export class TileTree {
  readonly #disk: LogDisk;
  readonly #size: number;
  readonly #tiles = new Kept<TileRows>(tilesKeptMax);
  readonly #bundles = new Kept<readonly Uint8Array[]>(bundlesKeptMax);

  /** @param size of a checkpoint that was verified; only tiles it covers are read. */
  constructor(disk: LogDisk, size: number) {
    this.#disk = disk;
    this.#size = size;
  }

  async #load(level: number, index: number): Promise<TileRows> {
    const rows: Hash[][] = [splitHashes(await readTile(this.#disk, level, index, this.#size))];
    while ((rows.at(-1)?.length ?? 0) > 1) rows.push(pairHashes(rows.at(-1) ?? []));
    return rows;
  }

  #rows(level: number, index: number): Promise<TileRows> {
    return this.#tiles.get(`${level}/${index}`, () => this.#load(level, index));
  }

  async #bundle(index: number): Promise<readonly Uint8Array[]> {
    return entriesOf(await readTile(this.#disk, 'entries', index, this.#size));
  }

  /** Root of the whole tree of 2^height leaves that begins at leaf index · 2^height. */
  async #node(height: number, index: number): Promise<Hash> {
    const row = height % 8;
    const first = index * 2 ** row;
    const rows = await this.#rows(Math.floor(height / 8), Math.floor(first / tileWidth));
    const hash = rows[row]?.[Math.floor((first % tileWidth) / 2 ** row)];
    if (hash === undefined) throw damaged('a hash of the tree is missing');
    return hash;
  }

  /** Root of the tree over leaves from `start` on; `start` is a multiple of the power of two at or above `width`. */
  async #root(start: number, width: number): Promise<Hash> {
    const half = width === 1 ? 1 : splitOf(width);
    if (width === 1 || half * 2 === width) return await this.#node(heightOf(width), start / width);
    return nodeHash(await this.#node(heightOf(half), start / half), await this.#root(start + half, width - half));
  }

  /** PATH(index, D[size]) of RFC 6962, leaf's sibling first. */
  async inclusionPath(index: number): Promise<Hash[]> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#size) {
      throw new AttestRefused('LOG_PROOF_BAD', 'no such index in a log of this size');
    }
    const path: Hash[] = [];
    for (let [start, width] = [0, this.#size]; width > 1;) {
      const half = splitOf(width);
      const isLeft = index < start + half;
      path.push(isLeft ? await this.#root(start + half, width - half) : await this.#root(start, half));
      if (!isLeft) start += half;
      width = isLeft ? half : width - half;
    }
    return path.toReversed();
  }

  /** PROOF(older, D[size]) of RFC 6962: that a log of `older` entries is the beginning of this one. */
  async consistencyPath(older: number): Promise<Hash[]> {
    if (!Number.isSafeInteger(older) || older < 0 || older > this.#size) {
      throw new AttestRefused('LOG_PROOF_BAD', 'the older log is larger');
    }
    if (older === 0) return [];
    const path: Hash[] = [];
    let [start, width, isWhole] = [0, this.#size, true];
    while (older - start !== width) {
      const half = splitOf(width);
      const isLeft = older <= start + half;
      path.push(isLeft ? await this.#root(start + half, width - half) : await this.#root(start, half));
      if (!isLeft) [start, isWhole] = [start + half, false];
      width = isLeft ? half : width - half;
    }
    if (!isWhole) path.push(await this.#root(start, width));
    return path.toReversed();
  }

  /** The entry at an index below the size. */
  async entry(index: number): Promise<Uint8Array> {
    const bundle = Math.floor(index / tileWidth);
    const entry = (await this.#bundles.get(`${bundle}`, () => this.#bundle(bundle)))[index % tileWidth];
    if (entry === undefined) throw damaged('an entry is missing');
    return entry;
  }
}
