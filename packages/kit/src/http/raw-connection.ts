import { ApiError, openaiErrorBody } from '@labmesh/wire/errors';
import type { Socket } from 'bun';
import type { Deadlines } from '../deadlines.ts';
import { ChunkedDecoder } from './chunked.ts';
import type { Handler, HttpLimits } from './exchange.ts';
import { noLength, parseRequestHead, type RequestHead } from './head.ts';
import { OutQueue } from './out-queue.ts';
import { RawExchange, type RawHost } from './raw-exchange.ts';
import type { RawSocket } from './socket/raw-socket.ts';

// How long a closed connection may still send: an immediate close would reset it before the answer is read.
const lingerMs = 2_000;
/** Requests may be sent ahead of an answer, up to this many heads of the largest size in bytes. */
const aheadHeadsMax = 4;
const empty = Buffer.alloc(0);

/** What the connections of one server share. */
export type RawShared = {
  handler: Handler;
  limits: HttpLimits;
  deadlines: Deadlines;
  connections: Set<RawConnection>;
  bufferedBytes: number;
  inFlight: number;
  draining: boolean;
  onHandlerError: (error: unknown) => void;
};

/**
 * One client connection. Its life is a line: head → body → answer → head …, or a WebSocket from some answer on; requests that were sent ahead (pipelined)
 * wait as bytes until the one before them is answered, so answers keep their order.
 */
export class RawConnection implements RawHost {
  readonly out = new OutQueue<RawConnection>();
  readonly shared: RawShared;
  readonly peer: string;
  deadline = 0;
  #socket: Socket<RawConnection>;
  #state: 'head' | 'body' | 'answer' | 'socket' | 'closed' = 'head';
  #input: Buffer = empty;
  #exchange: RawExchange | undefined;
  #webSocket: RawSocket | undefined;
  #decoder: ChunkedDecoder | undefined;
  #bodyLeft = 0;
  #paused = false;

  constructor(socket: Socket<RawConnection>, shared: RawShared) {
    this.#socket = socket;
    this.shared = shared;
    this.peer = socket.remoteAddress;
    this.out.socket = socket;
    this.deadline = performance.now() + shared.limits.headerTimeoutMs;
  }

  get idle(): boolean {
    return this.#state === 'head' && this.#input.length === 0 && this.out.bytes === 0;
  }

  /** The answer is complete on our side, and the client has not taken it all. */
  get hasUnsentAnswer(): boolean {
    return this.#exchange === undefined && this.out.bytes > 0;
  }

  onData(bytes: Buffer): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'socket') return this.#webSocket?.onData(bytes);
    if (this.#state === 'body') {
      const rest = this.#readBody(bytes);
      if (rest.length > 0) this.#keep(rest);
      return;
    }
    if (this.#state === 'head' && this.#input.length === 0 && this.out.bytes === 0) this.#headBegins();
    this.#keep(bytes);
    if (this.#state === 'head') this.#readHeads();
  }

  /** The time for a head runs from its first byte and is not renewed: a slow one must not last for ever. */
  #headBegins(): void {
    this.deadline = performance.now() + this.shared.limits.headerTimeoutMs;
  }

  /**
   * Bytes that belong to a later step. A client that takes no answers is not read on: its stall limit runs. Behind a
   * running request the socket stays open for reading, or a client that leaves would not be noticed; so too much there
   * ends the connection.
   */
  #keep(bytes: Buffer): void {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
    const { headerBytesMax } = this.shared.limits;
    if (this.#state === 'answer' && this.#input.length > headerBytesMax * aheadHeadsMax) return this.destroy();
    if (this.out.bytes === 0 || this.#state !== 'head' || this.#input.length <= headerBytesMax) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #readOn(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #readHeads(): void {
    // A client that takes no answers gets no further ones: their bytes would pile up here.
    while (this.#state === 'head' && this.#input.length > 0 && this.out.bytes === 0) {
      // RFC 9112 §2.2: an empty line before a request line is passed over.
      if (this.#input[0] === 13 && this.#input[1] === 10) {
        this.#input = this.#input.subarray(2);
        continue;
      }
      const end = this.#input.indexOf('\r\n\r\n');
      const { headerBytesMax } = this.shared.limits;
      if (end > headerBytesMax || (end < 0 && this.#input.length > headerBytesMax)) {
        return this.refuse(
          new ApiError('headers_too_large', { message: `the request head is larger than ${headerBytesMax} bytes` }),
        );
      }
      if (end < 0) return;
      const head = parseRequestHead(this.#input.toString('latin1', 0, end));
      if ('problem' in head)
        return this.refuse(new ApiError('bad_request', { message: `bad HTTP request: ${head.problem}` }));
      const rest = this.#input.subarray(end + 4);
      this.#input = empty;
      this.#begin(head, rest);
    }
  }

  #begin(head: RequestHead, rest: Buffer): void {
    const { limits } = this.shared;
    const exchange = new RawExchange(this, head);
    this.#exchange = exchange;
    this.shared.inFlight++;
    this.#state = 'body';
    this.deadline = performance.now() + limits.bodyIdleMs;
    if (head.contentLength > limits.bodyBytesMax) {
      exchange.failBody(
        new ApiError('request_too_large', { message: `the request body is larger than ${limits.bodyBytesMax} bytes` }),
      );
      return this.#run(exchange);
    }
    if (head.expectContinue && rest.length === 0 && !this.shared.draining)
      this.out.writeHead('HTTP/1.1 100 Continue\r\n\r\n', undefined);
    this.#decoder = head.chunked ? new ChunkedDecoder() : undefined;
    this.#bodyLeft = head.contentLength === noLength ? 0 : head.contentLength;
    if (!head.chunked && this.#bodyLeft === 0) this.#bodyEnds();
    else exchange.expectBody(this.#bodyLeft);
    const left = rest.length > 0 && this.#stateIs('body') ? this.#readBody(rest) : rest;
    if (left.length > 0 && !this.#stateIs('closed')) this.#input = left;
    // A body refused at once has its answer already.
    if (!exchange.started) this.#run(exchange);
  }

  // A method, because TypeScript cannot see that the calls between change the state.
  #stateIs(state: 'body' | 'closed'): boolean {
    return this.#state === state;
  }

  #run(exchange: RawExchange): void {
    try {
      const result = this.shared.handler(exchange);
      if (result instanceof Promise) result.catch((error: unknown) => this.#handlerFailed(exchange, error));
    } catch (error) {
      this.#handlerFailed(exchange, error);
    }
  }

  #handlerFailed(exchange: RawExchange, error: unknown): void {
    this.shared.onHandlerError(error);
    if (exchange.started) this.destroy();
    else this.refuse(new ApiError('internal_error'));
  }

  #readBody(bytes: Buffer): Buffer {
    const exchange = this.#exchange as RawExchange;
    this.deadline = performance.now() + this.shared.limits.bodyIdleMs;
    if (this.#decoder !== undefined) {
      const { payload, used } = this.#decoder.decode(bytes);
      if (this.#decoder.problem !== undefined) {
        this.refuse(new ApiError('bad_request', { message: `bad HTTP request: ${this.#decoder.problem}` }));
        return empty;
      }
      if (!exchange.addBody(payload)) return empty;
      if (this.#decoder.done) this.#bodyEnds();
      return bytes.subarray(used);
    }
    const take = Math.min(this.#bodyLeft, bytes.length);
    this.#bodyLeft -= take;
    if (!exchange.addBody(take === bytes.length ? bytes : bytes.subarray(0, take))) return empty;
    if (this.#bodyLeft === 0) this.#bodyEnds();
    return bytes.subarray(take);
  }

  #bodyEnds(): void {
    this.#state = 'answer';
    this.deadline = 0;
    this.#exchange?.endBody();
  }

  /** Called by the exchange when its answer is complete. */
  answered(keepAlive: boolean): void {
    this.shared.inFlight--;
    this.#exchange = undefined;
    // An answer that came before the whole request was read leaves bytes nobody can place: the connection ends.
    if (!keepAlive || this.#state !== 'answer' || this.shared.draining) return this.finish();
    this.#state = 'head';
    if (this.out.bytes > 0) {
      this.deadline = performance.now() + this.shared.limits.clientStallMs;
      return;
    }
    this.#nextHead();
  }

  upgraded(socket: RawSocket): void {
    this.shared.inFlight--;
    this.#exchange = undefined;
    this.#webSocket = socket;
    this.#state = 'socket';
    this.deadline = 0;
    const ahead = this.#input;
    this.#input = empty;
    // Not before whoever asked for the socket has it.
    if (ahead.length > 0) queueMicrotask(() => this.onData(ahead));
  }

  /** The answer is out: the connection is idle, or goes on with what was sent ahead. */
  #nextHead(): void {
    const { keepAliveMs } = this.shared.limits;
    this.deadline = performance.now() + keepAliveMs;
    this.#readOn();
    if (this.#input.length === 0) return;
    this.#headBegins();
    queueMicrotask(() => this.#readHeads());
  }

  /** Takes no more, and ends the connection once everything is out. */
  finish(): void {
    this.#state = 'closed';
    this.deadline = performance.now() + (this.out.bytes === 0 ? lingerMs : this.shared.limits.clientStallMs);
    if (this.out.bytes === 0) this.#socket.shutdown();
  }

  /** Answers an error and closes: for requests that cannot be read on. */
  refuse(error: ApiError): void {
    const body = JSON.stringify(openaiErrorBody(error));
    const exchange = this.#exchange;
    if (exchange !== undefined && !exchange.started) {
      exchange.closeAfter();
      exchange.reply(error.status, [['content-type', 'application/json']], body);
      exchange.failBody(error);
      return;
    }
    if (exchange !== undefined) return this.destroy();
    this.out.writeHead(
      `HTTP/1.1 ${error.status} Error\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`,
      Buffer.from(body),
    );
    this.finish();
  }

  /** The client takes nothing: `onDrain` is armed and the stall deadline runs. */
  stalled(): void {
    if (this.deadline === 0) this.deadline = performance.now() + this.shared.limits.clientStallMs;
  }

  onSocketDrain(): void {
    if (!this.out.flush()) {
      this.deadline = performance.now() + this.shared.limits.clientStallMs;
      return;
    }
    if (this.#state === 'closed') {
      this.#socket.shutdown();
      this.deadline = performance.now() + lingerMs;
      return;
    }
    if (this.#state === 'head') return this.shared.draining ? this.finish() : this.#nextHead();
    if (this.#state !== 'body') this.deadline = 0;
    this.#exchange?.drained();
    this.#webSocket?.onDrained();
  }

  onDeadline(): void {
    if (this.#state === 'head') {
      if (this.#input.length === 0 || this.out.bytes > 0) return this.destroy();
      return this.refuse(new ApiError('header_timeout'));
    }
    if (this.#state === 'body') return this.refuse(new ApiError('body_timeout'));
    this.destroy();
  }

  destroy(): void {
    this.#socket.terminate();
    this.onClose();
  }

  onClose(): void {
    if (!this.shared.connections.delete(this)) return;
    this.shared.deadlines.delete(this);
    this.#state = 'closed';
    this.#input = empty;
    this.out.clear();
    this.#webSocket?.onLost();
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange !== undefined) {
      this.shared.inFlight--;
      exchange.lost();
    }
  }
}
