/** Cuts a stream of bytes into lines of UTF-8 text: newline-delimited JSON, one object a line. */
import { BoundPassed } from './bounded-queue.ts';

const LF = 10;
/** Keeps nothing from line to line. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Lines of at most `bytesMost` bytes, whatever pieces they come in; LF and CRLF end one. */
export class LineSplitter {
  readonly #name: string;
  readonly #bytesMost: number;
  /** The start of the line that is not whole yet, in one growing block: many small pieces must not cost an object each. */
  #block = Buffer.alloc(0);
  #heldBytes = 0;

  /** `name` is the bound's, such as `arena.line_bytes`. */
  constructor(name: string, bytesMost: number) {
    this.#name = name;
    this.#bytesMost = bytesMost;
  }

  /** The lines that are whole now, without their ends. @throws BoundPassed when one is too long */
  push(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, from)) {
      lines.push(this.#take(bytes.subarray(from, end)));
      from = end + 1;
    }
    if (from < bytes.length) this.#hold(bytes.subarray(from));
    return lines;
  }

  /** The last line, where no line end came; '' when there is none. */
  end(): string {
    return this.#take(new Uint8Array(0));
  }

  #hold(bytes: Uint8Array): void {
    const wanted = this.#heldBytes + bytes.length;
    if (wanted > this.#bytesMost) throw new BoundPassed(this.#name, this.#bytesMost);
    if (wanted > this.#block.length) {
      const larger = Buffer.allocUnsafe(Math.max(wanted, this.#block.length * 2));
      this.#block.copy(larger, 0, 0, this.#heldBytes);
      this.#block = larger;
    }
    this.#block.set(bytes, this.#heldBytes);
    this.#heldBytes = wanted;
  }

  #take(last: Uint8Array): string {
    if (this.#heldBytes > 0) {
      this.#hold(last);
      const line = decoder.decode(this.#block.subarray(0, this.#heldBytes));
      this.#heldBytes = 0;
      return withoutCr(line);
    }
    if (last.length > this.#bytesMost) throw new BoundPassed(this.#name, this.#bytesMost);
    return withoutCr(decoder.decode(last));
  }
}

/**
 * The lines of a body as they come; empty ones, which some senders put in to keep a connection alive, are left out.
 * @throws BoundPassed of that name when one is too long, and whatever the body throws
 */
export async function* readLines(
  body: AsyncIterable<Uint8Array>,
  name: string,
  bytesMost: number,
): AsyncGenerator<string> {
  const lines = new LineSplitter(name, bytesMost);
  for await (const bytes of body) for (const line of lines.push(bytes)) if (line !== '') yield line;
  const last = lines.end();
  if (last !== '') yield last;
}

const withoutCr = (line: string) => (line.endsWith('\r') ? line.slice(0, -1) : line);
