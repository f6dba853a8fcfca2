/**
 * HTTP/1.1 towards engines: pooled sockets and callbacks, no promise per read. It follows no redirect, knows no proxy
 * variables, asks for no encoding and adds no header: the bytes that leave are the caller's. (fetch would add headers,
 * obey HTTP_PROXY and run at most 256 requests at once.)
 */
import type { Socket } from 'bun';
import { checkServerIdentity } from 'node:tls';
import { type DeadlineEntry, Deadlines } from '../deadlines.ts';
import { ChunkedDecoder } from './chunked.ts';
import { noLength, parseResponseHead, type ResponseHead } from './head.ts';
import { OutQueue } from './out-queue.ts';

export type Origin = {
  host: string;
  port: number;
  tls: boolean;
  tlsCa?: string | undefined;
  /** Who we are, PEM, for servers that ask for a certificate. */
  tlsClient?: { cert: string; key: string } | undefined;
  /** Path of a Unix socket that is dialled instead of host and port. */
  socketPath?: string | undefined;
};

export type ClientFailure = {
  reason: 'connect' | 'reset' | 'invalid' | 'timeout';
  /** For the log only. */
  detail: string;
};

/** Takes one answer: onHead, any number of onData, then onEnd; or onFailure at any point, after which nothing comes. */
export interface ResponseSink {
  onHead(head: ResponseHead): void;
  onData(bytes: Buffer): void;
  /** Instead of onData where a read is one whole HTTP chunk: the read, and where the payload stands in it. */
  onChunk?(framed: Buffer, start: number, end: number): void;
  onEnd(): void;
  onFailure(failure: ClientFailure): void;
}

export type ClientLimits = { connectMs: number; headBytesMax: number; idleMs: number; idlePerOriginMax: number };
export const clientLimits: ClientLimits = {
  connectMs: 3_000,
  headBytesMax: 64 * 1024,
  idleMs: 90_000,
  idlePerOriginMax: 1_024,
};

const empty = Buffer.alloc(0);

class Connection implements DeadlineEntry {
  readonly out = new OutQueue<Connection>();
  readonly key: string;
  deadline = 0;
  socket: Socket<Connection> | undefined;
  reused = false;
  /** The socket is not read: its client is slow. */
  paused = false;
  /** The peer ended the connection in order (FIN), as against a reset. */
  fin = false;
  call: HttpCall | undefined;
  closed = false;
  #pool: HttpPool;
  #head: ResponseHead | undefined;
  #held: Buffer = empty;
  #left = 0;
  #decoder: ChunkedDecoder | undefined;
  #untilClose = false;

  constructor(pool: HttpPool, key: string) {
    this.#pool = pool;
    this.key = key;
  }

  opened(socket: Socket<Connection>): void {
    this.socket = socket;
    this.out.socket = socket;
    this.deadline = 0;
    if (this.closed || this.call === undefined) return this.close();
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    this.call.sendOn(this);
  }

  onData(bytes: Buffer): void {
    // Bytes nobody asked for: the peer and we disagree about where we are.
    if (this.call === undefined) return this.close();
    let data = bytes;
    while (this.#head === undefined) {
      const rest = this.#readHead(data);
      if (rest === undefined) return;
      data = rest;
    }
    if (data.length > 0 || this.#untilClose) this.#readBody(data);
  }

  /** The bytes after the head; undefined = no head yet, or none is to come. */
  #readHead(bytes: Buffer): Buffer | undefined {
    this.call?.touched();
    const data = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = empty;
    const end = data.indexOf('\r\n\r\n');
    if (end < 0 || end > this.#pool.limits.headBytesMax) {
      if (data.length > this.#pool.limits.headBytesMax)
        this.fail({ reason: 'invalid', detail: 'the answer head is too large' });
      else this.#held = data;
      return undefined;
    }
    const head = parseResponseHead(data.toString('latin1', 0, end));
    if ('problem' in head) {
      this.fail({ reason: 'invalid', detail: head.problem });
      return undefined;
    }
    const rest = data.subarray(end + 4);
    if (head.status < 200) return rest.length > 0 ? this.#readHead(rest) : undefined;
    this.#head = head;
    const none = head.status === 204 || head.status === 304 || this.call?.method === 'HEAD';
    this.#decoder = head.chunked && !none ? new ChunkedDecoder() : undefined;
    this.#untilClose = !none && !head.chunked && head.contentLength === noLength;
    this.#left = none || head.contentLength === noLength ? 0 : head.contentLength;
    this.call?.sink.onHead(head);
    if (!head.chunked && !this.#untilClose && this.#left === 0) this.#finish(rest.length === 0);
    else if (none) this.#finish(rest.length === 0);
    return rest;
  }

  #readBody(data: Buffer): void {
    const call = this.call;
    if (call === undefined || data.length === 0) return;
    if (this.#decoder !== undefined) {
      const start = call.sink.onChunk === undefined ? 0 : this.#decoder.singleStart(data);
      if (start > 0) return call.sink.onChunk?.(data, start, data.length - 2);
      const { payload, used } = this.#decoder.decode(data);
      if (this.#decoder.problem !== undefined) return this.fail({ reason: 'invalid', detail: this.#decoder.problem });
      if (payload.length > 0) call.sink.onData(payload as Buffer);
      if (this.#decoder?.done) this.#finish(used === data.length);
      return;
    }
    if (this.#untilClose) return call.sink.onData(data);
    const take = Math.min(this.#left, data.length);
    this.#left -= take;
    call.sink.onData(take === data.length ? data : data.subarray(0, take));
    if (this.#left === 0) this.#finish(take === data.length);
  }

  /** The answer is complete. `clean`: nothing came after it. */
  #finish(clean: boolean): void {
    const call = this.call;
    if (call === undefined) return;
    this.call = undefined;
    const reusable = clean && this.#head?.keepAlive === true && !this.#untilClose && this.out.bytes === 0;
    this.#head = undefined;
    this.#decoder = undefined;
    call.settled = true;
    // The last read may have paused it; the next request must be heard.
    if (this.paused) this.setPaused(false);
    if (reusable) this.#pool.keep(this);
    else this.close();
    call.sink.onEnd();
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
    if (paused) this.socket?.pause();
    else this.socket?.resume();
  }

  onDrain(): void {
    this.out.flush();
  }

  onDeadline(): void {
    if (this.call === undefined) this.close();
    else this.fail({ reason: 'connect', detail: 'the connection was not made in time' });
  }

  onClose(detail: string): void {
    if (this.closed) return;
    if (this.fin && this.#untilClose && this.#head !== undefined && this.call !== undefined) return this.#finish(false);
    const connected = this.socket !== undefined;
    this.fail({ reason: connected ? 'reset' : 'connect', detail });
  }

  fail(failure: ClientFailure): void {
    const call = this.call;
    this.call = undefined;
    const answered = this.#head !== undefined || this.#held.length > 0;
    this.close();
    if (call === undefined || call.settled) return;
    // A kept connection may have been closed by the peer while our request was on its way: once more on a new one.
    if (failure.reason === 'reset' && this.reused && !answered) return this.#pool.dial(call);
    call.settled = true;
    call.sink.onFailure(failure);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#pool.forget(this);
    this.out.clear();
    this.socket?.terminate();
  }
}

/** One request on its way. */
export class HttpCall {
  readonly origin: Origin;
  readonly method: string;
  readonly sink: ResponseSink;
  readonly connectMs: number;
  settled = false;
  /** Clock ms of the first byte of the answer, 0 before it. */
  firstByteAt = 0;
  connection: Connection | undefined;
  #head: string;
  #body: readonly Uint8Array[];

  constructor(
    origin: Origin,
    method: string,
    head: string,
    body: readonly Uint8Array[],
    sink: ResponseSink,
    connectMs: number,
  ) {
    this.origin = origin;
    this.method = method;
    this.#head = head;
    this.#body = body;
    this.sink = sink;
    this.connectMs = connectMs;
  }

  sendOn(connection: Connection): void {
    this.connection = connection;
    connection.call = this;
    const [first, ...rest] = this.#body;
    connection.out.writeHead(this.#head, first);
    for (const part of rest) connection.out.write(part);
  }

  touched(): void {
    if (this.firstByteAt === 0) this.firstByteAt = performance.now();
  }
  pause(): void {
    if (!this.settled) this.connection?.setPaused(true);
  }
  resume(): void {
    if (!this.settled) this.connection?.setPaused(false);
  }

  /** Closes the socket at once; the sink hears nothing more. */
  abort(): void {
    if (this.settled) return;
    this.settled = true;
    const connection = this.connection;
    if (connection === undefined) return;
    connection.call = undefined;
    connection.close();
  }
}

export class HttpPool implements AsyncDisposable {
  readonly limits: ClientLimits;
  readonly #idle = new Map<string, Connection[]>();
  readonly #all = new Set<Connection>();
  readonly #deadlines = new Deadlines();

  constructor(limits: Partial<ClientLimits> = {}) {
    this.limits = { ...clientLimits, ...limits };
  }

  get connections(): number {
    return this.#all.size;
  }

  /** Sends `head` (request line, headers and the empty line, latin1) and `body`; the answer goes to `sink`. */
  send(
    origin: Origin,
    request: { method: string; head: string; body: readonly Uint8Array[]; connectMs?: number | undefined },
    sink: ResponseSink,
  ): HttpCall {
    const { method, head, body, connectMs = this.limits.connectMs } = request;
    const call = new HttpCall(origin, method, head, body, sink, connectMs);
    const connection = this.#idle.get(originKey(origin))?.pop();
    if (connection === undefined) {
      this.dial(call);
    } else {
      connection.deadline = 0;
      connection.reused = true;
      call.sendOn(connection);
    }
    return call;
  }

  dial(call: HttpCall): void {
    const { origin } = call;
    const connection = new Connection(this, originKey(origin));
    connection.call = call;
    call.connection = connection;
    if (call.connectMs > 0) connection.deadline = performance.now() + call.connectMs;
    this.#all.add(connection);
    this.#deadlines.add(connection);
    const onError = (error: unknown) => connection.onClose(error instanceof Error ? error.message : String(error));
    // It may also throw at once: for a certificate that is none, say. The caller hears of it as of any failure.
    void Promise.resolve()
      .then(() => this.#connect(connection, origin, onError))
      .then((socket) => {
        if (connection.closed) socket.terminate();
      }, onError);
  }

  #connect(connection: Connection, origin: Origin, onError: (error: unknown) => void) {
    return Bun.connect<Connection>({
      ...(origin.socketPath === undefined
        ? { hostname: origin.host, port: origin.port }
        : // Bun tells the two kinds of address apart by this key alone.
          ({ unix: origin.socketPath } as unknown as { hostname: string; port: number })),
      data: connection,
      ...(origin.tls
        ? {
            tls: {
              serverName: origin.host,
              rejectUnauthorized: true,
              ...(origin.tlsCa === undefined ? {} : { ca: origin.tlsCa }),
              ...origin.tlsClient,
            },
          }
        : {}),
      socket: {
        open: (socket) => {
          if (origin.tls) connection.socket = socket;
          else connection.opened(socket);
        },
        handshake: (socket, success, error) => {
          const mismatch = success ? checkServerIdentity(origin.host, socket.getPeerCertificate()) : undefined;
          const problem = error ?? mismatch;
          if (success && !problem) return connection.opened(socket);
          connection.fail({ reason: 'connect', detail: `TLS: ${problem?.message ?? 'the handshake failed'}` });
        },
        data: (_, bytes) => connection.onData(bytes),
        drain: () => connection.onDrain(),
        end: () => void (connection.fin = true),
        close: () => connection.onClose('the connection was closed'),
        error: (_, error) => onError(error),
        connectError: (_, error) => onError(error),
      },
    });
  }

  keep(connection: Connection): void {
    let idle = this.#idle.get(connection.key);
    if (idle === undefined) this.#idle.set(connection.key, (idle = []));
    if (idle.length >= this.limits.idlePerOriginMax) return connection.close();
    connection.deadline = performance.now() + this.limits.idleMs;
    idle.push(connection);
  }

  forget(connection: Connection): void {
    this.#all.delete(connection);
    this.#deadlines.delete(connection);
    const idle = this.#idle.get(connection.key);
    const at = idle?.indexOf(connection) ?? -1;
    if (at >= 0) idle?.splice(at, 1);
    if (idle?.length === 0) this.#idle.delete(connection.key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#all) connection.fail({ reason: 'reset', detail: 'shutting down' });
  }
}

// The authority is part of it: a connection trusted through one must not serve a request that trusts another.
const originKey = (origin: Origin) =>
  `${origin.tls ? 'https' : 'http'}://${origin.host}:${origin.port}${origin.tlsCa === undefined ? '' : ` ${origin.tlsCa}`}${
    origin.tlsClient === undefined ? '' : ` ${origin.tlsClient.cert}`
  }${origin.socketPath === undefined ? '' : ` ${origin.socketPath}`}`;
