/**
 * Cuts the two outputs of a command into lines. What has no end of line yet waits here: of both together at most
 * 64 KiB (FO-3); a line that is longer comes in pieces.
 */
export const lineBytesMax = 64 * 1024;

const newline = 0x0a;

/** Without its end of line. */
export type CutLine = { stream: 1 | 2; bytes: Uint8Array };

class Rest {
  length = 0;
  #pieces: Uint8Array[] = [];

  /** A copy: the frame it came in is not kept for a few bytes of it. */
  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice());
    this.length += bytes.length;
    // Bytes that come one by one must not cost an object each.
    if (this.#pieces.length > 64) this.#pieces = [Buffer.concat(this.#pieces)];
  }

  take(last: Uint8Array): Uint8Array {
    if (this.length === 0) return last;
    const line = Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    this.length = 0;
    return line;
  }
}

const none = new Uint8Array();

export class LineCutter {
  readonly #rests = { 1: new Rest(), 2: new Rest() };

  /** Bytes that wait. */
  get length(): number {
    return this.#rests[1].length + this.#rests[2].length;
  }

  /** Lines that `bytes` complete, and what no longer fits. */
  *push(stream: 1 | 2, bytes: Uint8Array): Generator<CutLine> {
    let from = 0;
    for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, from)) {
      const rest = this.#rests[stream];
      const last = bytes.subarray(from, at);
      if (rest.length === 0 || rest.length + last.length <= lineBytesMax) {
        yield { stream, bytes: rest.take(last) };
      } else {
        yield* this.#keep(stream, last);
        yield { stream, bytes: rest.take(none) };
      }
      from = at + 1;
    }
    yield* this.#keep(stream, bytes.subarray(from));
  }

  *#keep(stream: 1 | 2, bytes: Uint8Array): Generator<CutLine> {
    for (let left = bytes; left.length > 0;) {
      const room = lineBytesMax - this.length;
      if (room > 0) {
        this.#rests[stream].append(left.subarray(0, room));
        left = left.subarray(room);
        continue;
      }
      const fuller = this.#rests[1].length >= this.#rests[2].length ? 1 : 2;
      yield { stream: fuller, bytes: this.#rests[fuller].take(none) };
    }
  }

  /** Last lines, which have no end of line. */
  *end(): Generator<CutLine> {
    for (const stream of [1, 2] as const) {
      if (this.#rests[stream].length > 0) yield { stream, bytes: this.#rests[stream].take(none) };
    }
  }
}
