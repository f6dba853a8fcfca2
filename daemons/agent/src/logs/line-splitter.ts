/** Bytes of a log into lines, each with the count of bytes up to its end. Lines that are too long are cut, not kept. */
export const lineBytesMax = 64 * 1024;
const newline = 10;

export type RawLine = {
  text: string;
  /** Bytes since the source began, this line's end included. */
  end: number;
};

const decoder = new TextDecoder();

/** Escape codes stay: showing them safely is the display's part. What a hole leaves (NUL) goes. */
function decoded(parts: readonly Uint8Array[], cutBytes: number): string {
  const text = decoder.decode(Buffer.concat(parts)).replace(/^\0+/, '').replace(/\r$/, '');
  return cutBytes === 0 ? text : `${text} [labmesh: ${cutBytes} bytes cut]`;
}

export class LineSplitter {
  #parts: Uint8Array[] = [];
  #held = 0;
  #cut = 0;
  #at: number;

  /** `at`: the count where the first bytes come from. */
  constructor(at = 0) {
    this.#at = at;
  }

  *feed(bytes: Uint8Array): Generator<RawLine> {
    for (let start = 0; start < bytes.length;) {
      const found = bytes.indexOf(newline, start);
      const end = found < 0 ? bytes.length : found;
      this.#hold(bytes.subarray(start, end));
      this.#at += end - start;
      if (found < 0) return;
      this.#at += 1;
      yield this.#line();
      start = found + 1;
    }
  }

  /** The last line when it has no end. */
  rest(): RawLine | undefined {
    return this.#held === 0 && this.#cut === 0 ? undefined : this.#line();
  }

  #hold(bytes: Uint8Array): void {
    const taken = bytes.subarray(0, lineBytesMax - this.#held);
    if (taken.length > 0) this.#parts.push(taken.slice());
    this.#held += taken.length;
    this.#cut += bytes.length - taken.length;
  }

  #line(): RawLine {
    const line = { text: decoded(this.#parts, this.#cut), end: this.#at };
    this.#parts = [];
    this.#held = this.#cut = 0;
    return line;
  }
}
