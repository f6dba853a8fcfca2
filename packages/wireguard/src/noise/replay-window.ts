/** Which of the last 2,048 counters came already (spec tunnel.md 5.9), as a ring of bits (RFC 6479). */

export const windowSize = 2048;

const bitsPerWord = 32;
/** One word more than the window, so that the word being filled never holds bits that still count. */
const words = windowSize / bitsPerWord + 1;

export class ReplayWindow {
  readonly #bits = new Uint32Array(words);
  /** One above the highest counter seen. */
  #next = 0;

  /** Whether a packet of this counter, not yet authenticated, may be new. */
  mayBeNew(counter: number): boolean {
    if (counter >= this.#next) return true;
    if (counter + windowSize < this.#next) return false;
    const word = Math.floor(counter / bitsPerWord);
    return (((this.#bits[word % words] ?? 0) >>> (counter % bitsPerWord)) & 1) === 0;
  }

  /** Marks the counter of an authenticated packet; `mayBeNew` gave true for it. */
  mark(counter: number): void {
    const word = Math.floor(counter / bitsPerWord);
    if (counter >= this.#next) {
      const current = Math.floor((this.#next - 1) / bitsPerWord);
      const cleared = Math.min(word - current, words);
      for (let ahead = 0; ahead < cleared; ahead += 1) this.#bits[(word - ahead) % words] = 0;
      this.#next = counter + 1;
    }
    const at = word % words;
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (counter % bitsPerWord));
  }
}
