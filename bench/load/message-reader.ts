/** What a reader tells its owner, in order: one head, any number of body parts, one end. */
export type MessageSink = {
  /** The start line and header lines, without the empty line. */
  onHead(head: string): void;
  /** Body bytes `from` ≤ i < `to`, framing removed; valid only during the call. */
  onBody(bytes: Buffer, from: number, to: number): void;
  onEnd(): void;
};

type State = 'head' | 'length' | 'size' | 'data' | 'trailer';

const headEnd = Buffer.from('\r\n\r\n');
const newline = 10;
const headBytesMax = 64 * 1024;
const contentLength = /\r\ncontent-length: *(\d+)/i;
const chunkedCoding = /\r\ntransfer-encoding: *chunked/i;

/**
 * Reads HTTP/1.1 messages (RFC 9112) off a byte stream: Content-Length and chunked bodies, split anywhere. Cheap first
 * (the load generator must not be the bottleneck) but it believes nothing: bad framing throws.
 */
export class MessageReader {
  #state: State = 'head';
  #carry: Buffer | undefined;
  /** Bytes to come: of the body ('length') or of the chunk and its CRLF ('data'). */
  #left = 0;
  readonly #sink: MessageSink;
  /** Whether a message without framing headers has no body (requests) or is refused (answers: cut ends look alike). */
  readonly #bodyOptional: boolean;

  constructor(sink: MessageSink, bodyOptional: boolean) {
    this.#sink = sink;
    this.#bodyOptional = bodyOptional;
  }

  /** True between messages: a connection that closes now has cut nothing. */
  get idle(): boolean {
    return this.#state === 'head' && this.#carry === undefined;
  }

  /** Throws Error when the bytes are no HTTP/1.1 message. */
  feed(fresh: Buffer): void {
    const bytes = this.#carry === undefined ? fresh : Buffer.concat([this.#carry, fresh]);
    this.#carry = undefined;
    let at = 0;
    while (at < bytes.length) at = this.#step(bytes, at);
  }

  #step(bytes: Buffer, at: number): number {
    if (this.#state === 'head') return this.#readHead(bytes, at);
    if (this.#state === 'length') return this.#readLength(bytes, at);
    if (this.#state === 'data') return this.#readChunk(bytes, at);
    return this.#readLine(bytes, at);
  }

  #readHead(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(headEnd, at);
    if (end < 0) return this.#keep(bytes, at);
    const head = bytes.toString('latin1', at, end);
    const length = contentLength.exec(head);
    this.#sink.onHead(head);
    if (length !== null) {
      this.#left = Number(length[1]);
      if (this.#left === 0) this.#end();
      else this.#state = 'length';
    } else if (chunkedCoding.test(head)) this.#state = 'size';
    else if (this.#bodyOptional) this.#end();
    else throw new Error('answer without Content-Length or chunked coding');
    return end + 4;
  }

  #readLength(bytes: Buffer, at: number): number {
    const to = Math.min(bytes.length, at + this.#left);
    this.#left -= to - at;
    this.#sink.onBody(bytes, at, to);
    if (this.#left === 0) this.#end();
    return to;
  }

  #readChunk(bytes: Buffer, at: number): number {
    const to = Math.min(bytes.length, at + this.#left);
    const dataTo = Math.min(to, at + this.#left - 2);
    this.#left -= to - at;
    if (dataTo > at) this.#sink.onBody(bytes, at, dataTo);
    if (this.#left === 0) this.#state = 'size';
    return to;
  }

  /** A chunk-size or trailer line. */
  #readLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(newline, at);
    if (end < 0) return this.#keep(bytes, at);
    const line = bytes.toString('latin1', at, end).trimEnd();
    if (this.#state === 'trailer') {
      if (line === '') this.#end();
    } else {
      if (!/^[0-9a-f]{1,8}(;|$)/i.test(line)) throw new Error(`bad chunk size: ${JSON.stringify(line.slice(0, 20))}`);
      const size = Number.parseInt(line, 16);
      this.#left = size + 2;
      this.#state = size === 0 ? 'trailer' : 'data';
    }
    return end + 1;
  }

  #keep(bytes: Buffer, at: number): number {
    if (bytes.length - at > headBytesMax) throw new Error('message head too long');
    this.#carry = Buffer.from(bytes.subarray(at));
    return bytes.length;
  }

  #end(): void {
    this.#state = 'head';
    this.#sink.onEnd();
  }
}
