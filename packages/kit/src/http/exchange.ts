import type { MessageSocket, SocketLimits, SocketOwner } from './socket/message-socket.ts';

/**
 * One request and its answer, without saying which HTTP engine carries it. Handlers are written against this and run
 * on `raw` (our HTTP/1.1 on Bun.listen) and on `serve` (Bun.serve); one conformance suite holds both to it.
 *
 * Order: read the request → `start` (or `reply`) once → `write` any number of times → `end` once.
 */
export interface Exchange {
  readonly method: string;
  /** Path without query, as sent (percent-encoding kept). */
  readonly path: string;
  /** Query without `?`, '' when there is none. */
  readonly query: string;
  /** The peer's IP address. */
  readonly peer: string;
  /** Value of a request header by lower-case name; repeated ones joined by ', '. */
  header(name: string): string | undefined;
  /** All request headers in order: lower-case names. */
  headers(): Iterable<readonly [name: string, value: string]>;
  /** The whole request body. Rejects with ApiError request_too_large or body_timeout. May be called once. */
  body(): Promise<Uint8Array>;
  /** Called at most once, when the client is gone before `end`. Called at once when it is gone already. */
  onAbort(callback: () => void): void;
  readonly aborted: boolean;
  /** True once `start` or `reply` was called. */
  readonly started: boolean;
  /** Sends the head of a streamed answer. `headers` holds no Content-Length, Transfer-Encoding or Connection. */
  start(status: number, headers: ReadonlyArray<readonly [name: string, value: string]>): void;
  /** Sends bytes of a streamed answer. False = the client is slow: stop until `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** As `write(framed.subarray(start, end))`, where `framed` is that payload as one HTTP chunk: it saves a copy. */
  writeChunk(framed: Buffer, start: number, end: number): boolean;
  /** Called each time the client takes bytes again after a false `write`. */
  onDrain(callback: () => void): void;
  /** Ends a streamed answer. */
  end(): void;
  /** A whole answer at once. */
  reply(
    status: number,
    headers: ReadonlyArray<readonly [name: string, value: string]>,
    body: Uint8Array | string,
  ): void;
  /** Cuts the connection without ending the answer: the client sees a broken transfer. */
  destroy(): void;
  /**
   * Answers with a WebSocket in place of everything above; the exchange is over then. Absent where none can be had.
   * @throws ApiError bad_request when the request asks for none
   */
  upgrade?(owner: SocketOwner, limits: SocketLimits): MessageSocket;
}

export type Handler = (exchange: Exchange) => void | Promise<void>;

export type HttpLimits = {
  /** Largest request head, bytes (431). */
  headerBytesMax: number;
  /** Largest request body, bytes (413). */
  bodyBytesMax: number;
  /** Bodies in memory over all requests, bytes (503 body_memory_full). */
  bufferedBytesMax: number;
  connectionsMax: number;
  headerTimeoutMs: number;
  /** Longest silence inside a request body (408). */
  bodyIdleMs: number;
  /** Longest silence of a kept-alive connection between requests. */
  keepAliveMs: number;
  /** A client that takes no byte for this long is cut. */
  clientStallMs: number;
  /** Answer bytes held for a slow client before `write` gives false. */
  writeBufferBytes: number;
};

export const httpLimits: HttpLimits = {
  headerBytesMax: 32 * 1024,
  bodyBytesMax: 32 * 1024 * 1024,
  bufferedBytesMax: 512 * 1024 * 1024,
  connectionsMax: 20_000,
  headerTimeoutMs: 10_000,
  bodyIdleMs: 30_000,
  keepAliveMs: 75_000,
  clientStallMs: 60_000,
  writeBufferBytes: 256 * 1024,
};

export interface HttpServer extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** Exchanges without an end. */
  readonly inFlight: number;
  readonly connections: number;
  /** Takes no new connection, lets running exchanges end, cuts the rest after `graceMs`. Gives how many were cut. */
  drain(graceMs: number): Promise<number>;
}
