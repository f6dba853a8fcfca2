/**
 * Bytes that come over a channel, for code that reads them one after the other. `push` resolves when they were taken,
 * so the other side is credited only then.
 */
type Piece = { bytes: Uint8Array; taken: () => void };

export class Inbox implements AsyncIterable<Uint8Array> {
  #pieces: Piece[] = [];
  #isOver = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  push(bytes: Uint8Array): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((taken) => {
      this.#pieces.push({ bytes, taken });
      this.#wake?.();
    });
  }

  /** No more will come. */
  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  /** No more will come, and what waits is of no use: the reader gets `error`. */
  fail(error: Error): void {
    if (this.#isOver && this.#pieces.length === 0) return;
    this.#error ??= error;
    this.#drop();
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#error !== undefined) throw this.#error;
        const piece = this.#pieces[0];
        if (piece !== undefined) {
          yield piece.bytes;
          this.#pieces.shift();
          piece.taken();
          continue;
        }
        if (this.#isOver) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      // Whoever leaves early wants nothing more, and the sender must not wait for that.
      this.#isOver = true;
      this.#drop();
    }
  }

  #drop(): void {
    for (const { taken } of this.#pieces.splice(0)) taken();
  }
}
