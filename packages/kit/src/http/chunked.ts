/**
 * Chunked transfer coding (RFC 9112 §7.1), incremental and strict. `decode` takes the bytes of one read and gives the
 * payload in them as one slice of the same memory: payload is moved down over the framing, nothing is allocated.
 */
const lineBytesMax = 256;
const trailerBytesMax = 8 * 1024;
const CR = 13;
const LF = 10;

type State = 'size' | 'extension' | 'size_lf' | 'data' | 'data_cr' | 'data_lf' | 'trailer' | 'done' | 'broken';

const hexValue = (byte: number): number => {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
};

export class ChunkedDecoder {
  #state: State = 'size';
  #size = 0;
  #sizeDigits = 0;
  #lineBytes = 0;
  #trailerBytes = 0;
  /** The last four bytes seen, to find the empty line that ends the trailer. */
  #trailerTail = '\r\n';
  #problem: string | undefined;

  get done(): boolean {
    return this.#state === 'done';
  }
  /** What is wrong with the framing; the connection is of no more use. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Where the payload starts in a read that is one whole chunk and nothing else, as streams of events come (it ends two
   * bytes before the read); 0 when it is anything else. Changes nothing, and makes no view: a view of each read would
   * double what the collector has to do.
   */
  singleStart(bytes: Buffer): number {
    if (this.#state !== 'size' || this.#sizeDigits !== 0) return 0;
    let size = 0;
    let at = 0;
    for (let value = hexValue(bytes[0] ?? 0); value >= 0 && at < 8; value = hexValue(bytes[++at] ?? 0))
      size = size * 16 + value;
    const end = at + 2 + size;
    if (size === 0 || bytes.length !== end + 2 || bytes[at] !== CR || bytes[at + 1] !== LF) return 0;
    return bytes[end] === CR && bytes[end + 1] === LF ? at + 2 : 0;
  }

  /** Gives the payload and how many bytes were read; what follows a finished body is not touched. */
  decode(bytes: Uint8Array): { payload: Uint8Array; used: number } {
    let write = 0;
    let read = 0;
    while (read < bytes.length && this.#state !== 'done' && this.#state !== 'broken') {
      if (this.#state === 'data') {
        const take = Math.min(this.#size, bytes.length - read);
        if (write !== read) bytes.copyWithin(write, read, read + take);
        write += take;
        read += take;
        this.#size -= take;
        if (this.#size === 0) this.#state = 'data_cr';
      } else {
        this.#frame(bytes[read++] as number);
      }
    }
    return { payload: bytes.subarray(0, write), used: read };
  }

  #break(problem: string): void {
    this.#state = 'broken';
    this.#problem = problem;
  }

  #frame(byte: number): void {
    switch (this.#state) {
      case 'size':
        return this.#sizeByte(byte);
      case 'extension':
        if (++this.#lineBytes > lineBytesMax) return this.#break('a chunk extension above the limit');
        if (byte === CR) this.#state = 'size_lf';
        else if (byte < 32 && byte !== 9) this.#break('a control character in a chunk line');
        return;
      case 'size_lf':
        if (byte !== LF) return this.#break('a bare CR in a chunk line');
        this.#state = this.#size === 0 ? 'trailer' : 'data';
        return;
      case 'data_cr':
        if (byte !== CR) return this.#break('no line break after a chunk');
        this.#state = 'data_lf';
        return;
      case 'data_lf':
        if (byte !== LF) return this.#break('no line break after a chunk');
        this.#state = 'size';
        this.#sizeDigits = 0;
        this.#lineBytes = 0;
        return;
      default:
        return this.#trailerByte(byte);
    }
  }

  #sizeByte(byte: number): void {
    const value = hexValue(byte);
    if (value >= 0) {
      if (this.#sizeDigits === 0) this.#size = 0;
      if (++this.#sizeDigits > 8) return this.#break('a chunk size above the limit');
      this.#size = this.#size * 16 + value;
      return;
    }
    if (this.#sizeDigits === 0) return this.#break('a chunk size that is not hexadecimal');
    if (byte === CR) this.#state = 'size_lf';
    else if (byte === 59 /* ; */) this.#state = 'extension';
    else this.#break('a chunk size that is not hexadecimal');
  }

  #trailerByte(byte: number): void {
    if (++this.#trailerBytes > trailerBytesMax) return this.#break('a trailer above the limit');
    if (byte === LF && !this.#trailerTail.endsWith('\r')) return this.#break('a bare line break in the trailer');
    this.#trailerTail = (this.#trailerTail + String.fromCharCode(byte)).slice(-4);
    if (this.#trailerTail === '\r\n\r\n') this.#state = 'done';
  }
}

/** Most bytes that the frame of a chunk adds: eight digits and two line breaks. */
export const chunkFrameBytesMax = 12;

/**
 * Writes one chunk (size line, payload, line break) to the start of `target`; gives its length. `payload` must not be
 * empty: that would end the body.
 */
export function encodeChunkInto(target: Buffer, payload: Uint8Array): number {
  const start = target.write(`${payload.length.toString(16)}\r\n`, 'latin1');
  target.set(payload, start);
  const end = start + payload.length;
  target[end] = CR;
  target[end + 1] = LF;
  return end + 2;
}
export const lastChunk = '0\r\n\r\n';
