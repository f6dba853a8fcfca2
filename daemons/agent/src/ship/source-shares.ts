/**
 * Which source the bytes in the spool are of (AG-5). The spool drops what is oldest, whosesoever it is: one that floods its
 * own log while labd is away must not push out lines of others, as long as its file still holds what it wrote.
 */
import type { Batch } from './spool/entry.ts';

type Block = { bytes: number; bySource: Map<string, number> };

/** Batches are counted together up to here: small ones are too many to be kept apart. */
const blockBytes = 64 * 1024;
/** Of an entry besides its lines. */
const entryBytes = 200;
/** The rest is what the spool may drop at once, a quarter, or still holds of what is through. */
const sharedPart = 0.75;

const sourceOf = (file: string | undefined) => (file === undefined ? 'journal' : `file:${file}`);

export class SourceShares {
  /** In the order of the spool, the oldest first; no source: an earlier run left it. */
  readonly #blocks: Block[] = [];
  readonly #shareBytes: number;
  #bytes = 0;
  /** Of what an earlier run left: it may be anybody's, so it counts for each. */
  #leftBytes: number;
  readonly #bySource = new Map<string, number>();

  /** `bytesMax` of the spool for so many sources; `leftBytes` are in it already, nobody knows of whom. */
  constructor(bytesMax: number, sources: number, leftBytes: number) {
    // One has nobody to push out.
    this.#shareBytes = sources <= 1 ? Infinity : (bytesMax * sharedPart) / sources;
    this.#leftBytes = leftBytes;
    this.#add({ bytes: leftBytes, bySource: new Map() });
  }

  #add(block: Block): void {
    this.#blocks.push(block);
    this.#bytes += block.bytes;
  }

  /** A batch is in the spool. */
  appended({ lines }: Pick<Batch, 'lines'>): void {
    let block = this.#blocks.at(-1);
    if (block === undefined || block.bytes >= blockBytes || block.bySource.size === 0)
      this.#add((block = { bytes: 0, bySource: new Map() }));
    let bytes = entryBytes;
    for (const line of lines) {
      const source = sourceOf(line.file);
      const size = Buffer.byteLength(JSON.stringify(line)) + 1;
      for (const sizes of [block.bySource, this.#bySource]) sizes.set(source, (sizes.get(source) ?? 0) + size);
      bytes += size;
    }
    block.bytes += bytes;
    this.#bytes += bytes;
  }

  /** Whether a source has its share of the spool, in which `spoolBytes` wait now. */
  isSpent(source: string, spoolBytes: number): boolean {
    if (this.#shareBytes === Infinity) return false;
    // What went, went from the front.
    for (let first = this.#blocks[0]; first !== undefined; first = this.#blocks[0]) {
      if (this.#bytes - first.bytes < spoolBytes) break;
      this.#blocks.shift();
      this.#bytes -= first.bytes;
      if (first.bySource.size === 0) this.#leftBytes = 0;
      for (const [one, bytes] of first.bySource) this.#bySource.set(one, (this.#bySource.get(one) ?? 0) - bytes);
    }
    return this.#leftBytes + (this.#bySource.get(source) ?? 0) >= this.#shareBytes;
  }
}
