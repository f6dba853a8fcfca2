/** Lines of all sources into batches: one leaves when it is full, or a second after its first line (AG-7). */
import { logBatchLimits, type ShippedLine } from '@labmesh/wire/frame/log-batch';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Batch } from './spool/entry.ts';
import type { SizedLine } from './shipped-line.ts';

export const batchMs = 1_000;

export class Batcher {
  /** Never rejects. */
  readonly #append: (batch: Batch) => Promise<void>;
  readonly #wall: () => number;
  #lines: ShippedLine[] = [];
  #bytes = 0;
  #places: Record<string, string> = {};
  #timer: NodeJS.Timeout | undefined;
  /** One batch after the other, so that places only go forward. */
  #flushing: Promise<void> = Promise.resolve();

  constructor(append: (batch: Batch) => Promise<void>, wall: () => number) {
    this.#append = append;
    this.#wall = wall;
  }

  /** Resolves when there is room for the next. `place`: where its source goes on; none leaves the one before. */
  async add({ line, bytes }: SizedLine, source: string, place: string | undefined): Promise<void> {
    while (this.#bytes + bytes > logBatchLimits.bytesMax || this.#lines.length >= logBatchLimits.linesMax)
      await this.flush();
    this.#lines.push(line);
    this.#bytes += bytes;
    if (place !== undefined) this.#places[source] = place;
    this.#timer ??= setTimeout(() => void this.flush(), batchMs);
  }

  /** Resolves when what was added before is in the spool. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#send());
    return this.#flushing;
  }

  async #send(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines.length === 0) return;
    const batch = { id: uuidv7(), readAt: this.#wall(), places: this.#places, lines: this.#lines };
    this.#lines = [];
    this.#places = {};
    this.#bytes = 0;
    await this.#append(batch);
  }
}
