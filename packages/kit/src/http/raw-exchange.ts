import { ApiError } from '@labmesh/wire/errors';
import { lastChunk } from './chunked.ts';
import type { Exchange, HttpLimits } from './exchange.ts';
import { cleanHeaderValue, type HeaderList, headerValue, type RequestHead } from './head.ts';
import type { MessageSocket, SocketLimits, SocketOwner } from './socket/message-socket.ts';
import { RawSocket, type SocketHost } from './socket/raw-socket.ts';
import { acceptUpgrade } from './socket/upgrade-request.ts';
import { statusText } from './status-text.ts';

const empty = new Uint8Array(0);
const firstBlockBytes = 16 * 1024;
/** From here on a body whose length is known gets all of its memory at once, which the system fills as it is touched. */
const wholeBlockFromBytes = 64 * 1024;

/** Statuses whose answers have no body and no framing (RFC 9110 §6.4.1). */
const hasNoBody = (status: number) => status < 200 || status === 204 || status === 304;

/** What an exchange needs of the connection it came by. */
export interface RawHost {
  readonly peer: string;
  readonly shared: { readonly limits: HttpLimits; bufferedBytes: number; readonly draining: boolean };
  readonly out: {
    readonly bytes: number;
    write(bytes: Uint8Array): void;
    writeChunk(payload: Uint8Array): void;
    writeHead(head: string, body: Uint8Array | undefined): void;
  };
  /** Answers the error and ends the connection. */
  refuse(error: ApiError): void;
  /** The client is slow: its stall deadline runs. */
  stalled(): void;
  answered(keepAlive: boolean): void;
  /** From now on the bytes are the socket's. */
  upgraded(socket: RawSocket): void;
  finish(): void;
  destroy(): void;
}

/** An Exchange on a raw socket. */
export class RawExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  aborted = false;
  started = false;
  #connection: RawHost;
  #head: RequestHead;
  #keepAlive: boolean;
  #chunkedAnswer = false;
  #noBody = false;
  #ended = false;
  #onAbort: (() => void) | undefined;
  #onDrain: (() => void) | undefined;
  // The body: the read it came in when that holds all of it, else one growing block. Reads are not kept: a chunked body
  // of single bytes would pin a whole read for each.
  #single: Uint8Array | undefined;
  #block: Buffer | undefined;
  #expected = 0;
  #bodyBytes = 0;
  #bodyDone = false;
  #bodyError: ApiError | undefined;
  #bodyWaiter: { resolve: (body: Uint8Array) => void; reject: (error: ApiError) => void } | undefined;

  constructor(connection: RawHost, head: RequestHead) {
    this.#connection = connection;
    this.#head = head;
    this.method = head.method;
    this.path = head.path;
    this.query = head.query;
    this.#keepAlive = head.keepAlive;
  }

  get peer(): string {
    return this.#connection.peer;
  }
  header(name: string): string | undefined {
    return headerValue(this.#head.headers, name);
  }
  headers(): HeaderList {
    return this.#head.headers;
  }

  // --- the request body, fed by the connection ---

  /** `length` 0 = not known. */
  expectBody(length: number): void {
    this.#expected = length;
  }

  /** False when a limit is passed: the request was refused. */
  addBody(bytes: Uint8Array): boolean {
    if (this.#bodyError !== undefined) return false;
    if (bytes.length === 0) return true;
    const { limits } = this.#connection.shared;
    const size = this.#bodyBytes + bytes.length;
    const error =
      size > limits.bodyBytesMax
        ? new ApiError('request_too_large', { message: `the request body is larger than ${limits.bodyBytesMax} bytes` })
        : this.#connection.shared.bufferedBytes + bytes.length > limits.bufferedBytesMax
          ? new ApiError('body_memory_full')
          : undefined;
    if (error !== undefined) {
      this.#connection.refuse(error);
      return false;
    }
    if (this.#bodyBytes === 0 && bytes.length === this.#expected) this.#single = bytes;
    else this.#store(bytes, size);
    this.#bodyBytes = size;
    this.#connection.shared.bufferedBytes += bytes.length;
    return true;
  }

  #store(bytes: Uint8Array, size: number): void {
    let block = this.#block;
    if (block === undefined || block.length < size) {
      const known = size >= wholeBlockFromBytes && this.#expected > 0;
      const grown = Math.max(size, (block?.length ?? 0) * 2, firstBlockBytes);
      const larger = Buffer.allocUnsafeSlow(known ? this.#expected : grown);
      block?.copy(larger, 0, 0, this.#bodyBytes);
      this.#block = block = larger;
    }
    block.set(bytes, this.#bodyBytes);
  }

  endBody(): void {
    this.#bodyDone = true;
    const waiter = this.#bodyWaiter;
    this.#bodyWaiter = undefined;
    waiter?.resolve(this.#takeBody());
  }

  failBody(error: ApiError): void {
    this.#bodyError ??= error;
    const waiter = this.#bodyWaiter;
    this.#bodyWaiter = undefined;
    waiter?.reject(error);
  }

  #takeBody(): Uint8Array {
    return this.#single ?? this.#block?.subarray(0, this.#bodyBytes) ?? empty;
  }

  body(): Promise<Uint8Array> {
    if (this.#bodyError !== undefined) return Promise.reject(this.#bodyError);
    if (this.#bodyDone) return Promise.resolve(this.#takeBody());
    return new Promise((resolve, reject) => (this.#bodyWaiter = { resolve, reject }));
  }

  // --- the answer ---

  closeAfter(): void {
    this.#keepAlive = false;
  }

  #headText(status: number, headers: HeaderList): string {
    if (!this.#bodyDone || this.#connection.shared.draining) this.#keepAlive = false;
    let text = `HTTP/1.1 ${statusText(status)}\r\n`;
    for (const [name, value] of headers) text += `${name}: ${cleanHeaderValue(value)}\r\n`;
    if (!this.#keepAlive) text += 'connection: close\r\n';
    else if (this.#head.minor === 0) text += 'connection: keep-alive\r\n';
    return text;
  }

  start(status: number, headers: HeaderList): void {
    if (this.started) throw new Error('the answer was started twice');
    this.started = true;
    this.#noBody = this.method === 'HEAD' || hasNoBody(status);
    this.#chunkedAnswer = this.#head.minor === 1 && !hasNoBody(status);
    if (this.#head.minor === 0) this.#keepAlive = false;
    const text =
      this.#headText(status, headers) + (this.#chunkedAnswer ? 'transfer-encoding: chunked\r\n\r\n' : '\r\n');
    if (!this.aborted) this.#connection.out.writeHead(text, undefined);
  }

  write(bytes: Uint8Array): boolean {
    if (this.aborted || this.#ended) return true;
    if (bytes.length > 0 && !this.#noBody) {
      if (this.#chunkedAnswer) this.#connection.out.writeChunk(bytes);
      else this.#connection.out.write(bytes);
    }
    return this.#taken();
  }

  writeChunk(framed: Buffer, start: number, end: number): boolean {
    if (!this.#chunkedAnswer || this.#noBody) return this.write(framed.subarray(start, end));
    if (this.aborted || this.#ended) return true;
    this.#connection.out.write(framed);
    return this.#taken();
  }

  #taken(): boolean {
    if (this.#connection.out.bytes === 0) return true;
    this.#connection.stalled();
    return this.#connection.out.bytes < this.#connection.shared.limits.writeBufferBytes;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.aborted) return;
    if (this.#chunkedAnswer && !this.#noBody) this.#connection.out.writeHead(lastChunk, undefined);
    this.#release();
    this.#connection.answered(this.#keepAlive);
  }

  reply(status: number, headers: HeaderList, body: Uint8Array | string): void {
    if (this.started) throw new Error('the answer was started twice');
    this.started = true;
    this.#ended = true;
    if (this.aborted) return;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const length = hasNoBody(status) ? '' : `content-length: ${bytes.length}\r\n`;
    const none = hasNoBody(status) || this.method === 'HEAD';
    this.#connection.out.writeHead(`${this.#headText(status, headers)}${length}\r\n`, none ? undefined : bytes);
    this.#release();
    this.#connection.answered(this.#keepAlive);
  }

  destroy(): void {
    this.#connection.destroy();
  }

  upgrade(owner: SocketOwner, limits: SocketLimits): MessageSocket {
    if (this.started) throw new Error('the answer was started twice');
    const accept = acceptUpgrade(this);
    // Bytes of a body would be read as frames.
    if (this.#head.minor === 0 || !this.#bodyDone || this.#bodyBytes > 0)
      throw new ApiError('bad_request', { message: 'a WebSocket is asked for without a body, over HTTP/1.1' });
    this.started = true;
    this.#ended = true;
    const socket = new RawSocket(this.#connection satisfies SocketHost, owner, limits);
    if (this.aborted) queueMicrotask(() => socket.onLost());
    else {
      const head = `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n`;
      this.#connection.out.writeHead(`${head}sec-websocket-accept: ${accept}\r\n\r\n`, undefined);
      this.#connection.upgraded(socket);
    }
    return socket;
  }

  // --- the client ---

  onAbort(callback: () => void): void {
    if (this.aborted) callback();
    else this.#onAbort = callback;
  }
  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }
  drained(): void {
    this.#onDrain?.();
  }

  #release(): void {
    this.#connection.shared.bufferedBytes -= this.#bodyBytes;
    this.#bodyBytes = 0;
    this.#single = undefined;
    this.#block = undefined;
  }

  /** The connection is gone before the answer's end. */
  lost(): void {
    if (this.aborted || this.#ended) return;
    this.aborted = true;
    this.#release();
    const waiter = this.#bodyWaiter;
    this.#bodyWaiter = undefined;
    waiter?.reject(new ApiError('body_timeout', { log: 'the client left before its request was complete' }));
    this.#onAbort?.();
  }
}
