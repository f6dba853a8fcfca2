/**
 * The same Exchange port on Bun.serve: the fallback for the raw engine, and its judge, because the conformance suite
 * holds both to one behaviour.
 */
import { ApiError, openaiErrorBody } from '@labmesh/wire/errors';
import { type DeadlineEntry, Deadlines } from '../deadlines.ts';
import type { Exchange, Handler, HttpLimits, HttpServer } from './exchange.ts';
import { httpLimits } from './exchange.ts';
import { cleanHeaderValue } from './head.ts';
import type { RawServerOptions } from './raw-server.ts';
import type { MessageSocket, SocketLimits, SocketOwner } from './socket/message-socket.ts';
import { ServeSocket, serveSockets } from './socket/serve-socket.ts';
import { acceptUpgrade } from './socket/upgrade-request.ts';

type HeaderPairs = ReadonlyArray<readonly [name: string, value: string]>;

const toHeaders = (pairs: HeaderPairs) =>
  new Headers(pairs.map(([name, value]): [string, string] => [name, cleanHeaderValue(value)]));
const nullBody = new Set([101, 204, 205, 304]);

class ServeExchange implements Exchange, DeadlineEntry {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly peer: string;
  aborted = false;
  started = false;
  readonly response: Promise<Response>;
  #request: Request;
  #limits: HttpLimits;
  #resolve: (response: Response) => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #ended = false;
  #onAbort: (() => void) | undefined;
  #onDrain: (() => void) | undefined;
  /** Clock ms until which a stalled client has to take a byte, 0 = it does. */
  deadline = 0;
  #onEnd: () => void;
  #become: (socket: ServeSocket) => boolean;

  constructor(
    request: Request,
    peer: string,
    limits: HttpLimits,
    { onEnd, become }: { onEnd: () => void; become: (socket: ServeSocket) => boolean },
  ) {
    const url = request.url;
    const pathStart = url.indexOf('/', url.indexOf('//') + 2);
    const mark = url.indexOf('?', pathStart);
    this.method = request.method;
    this.path = mark < 0 ? url.slice(pathStart) : url.slice(pathStart, mark);
    this.query = mark < 0 ? '' : url.slice(mark + 1);
    this.peer = peer;
    this.#request = request;
    this.#limits = limits;
    this.#onEnd = onEnd;
    this.#become = become;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.response = promise;
    this.#resolve = resolve;
    request.signal.addEventListener('abort', () => this.#lost(), { once: true });
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined;
  }
  headers(): Iterable<readonly [string, string]> {
    return this.#request.headers;
  }

  async body(): Promise<Uint8Array> {
    const { bodyBytesMax } = this.#limits;
    const tooLarge = () =>
      new ApiError('request_too_large', { message: `the request body is larger than ${bodyBytesMax} bytes` });
    if (Number(this.header('content-length') ?? 0) > bodyBytesMax) throw tooLarge();
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of this.#request.body ?? []) {
      size += part.length;
      if (size > bodyBytesMax) throw tooLarge();
      parts.push(part);
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  }

  start(status: number, headers: HeaderPairs): void {
    if (this.started) throw new Error('the answer was started twice');
    this.started = true;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => {
          this.deadline = 0;
          this.#onDrain?.();
        },
        cancel: () => this.#lost(),
      },
      { highWaterMark: this.#limits.writeBufferBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    );
    this.#resolve(new Response(nullBody.has(status) ? null : stream, { status, headers: toHeaders(headers) }));
  }

  write(bytes: Uint8Array): boolean {
    if (this.aborted || this.#ended || bytes.length === 0) return true;
    // Bun may hand the chunk to the socket later: the caller's memory must not change under it.
    this.#controller?.enqueue(Uint8Array.from(bytes));
    const taking = (this.#controller?.desiredSize ?? 0) > 0;
    if (!taking && this.deadline === 0) this.deadline = performance.now() + this.#limits.clientStallMs;
    return taking;
  }

  writeChunk(framed: Buffer, start: number, end: number): boolean {
    return this.write(framed.subarray(start, end));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.aborted) {
      this.#controller?.close();
      this.#onEnd();
    }
  }

  reply(status: number, headers: HeaderPairs, body: Uint8Array | string): void {
    if (this.started) throw new Error('the answer was started twice');
    this.started = true;
    this.#ended = true;
    const content = nullBody.has(status) ? null : typeof body === 'string' ? body : Uint8Array.from(body);
    this.#resolve(new Response(content, { status, headers: toHeaders(headers) }));
    if (!this.aborted) this.#onEnd();
  }

  upgrade(owner: SocketOwner, limits: SocketLimits): MessageSocket {
    if (this.started) throw new Error('the answer was started twice');
    acceptUpgrade(this);
    const socket = new ServeSocket(owner, limits);
    if (!this.#become(socket)) throw new ApiError('bad_request', { message: 'a WebSocket cannot be had here' });
    this.started = true;
    this.#ended = true;
    if (!this.aborted) this.#onEnd();
    // Bun asks for no answer to what is a socket now.
    this.#resolve(undefined as unknown as Response);
    return socket;
  }

  onDeadline(): void {
    this.destroy();
  }

  destroy(): void {
    this.#controller?.error(new Error('cut'));
    this.#resolve(new Response(null, { status: 500 }));
    this.#lost();
  }
  onAbort(callback: () => void): void {
    if (this.aborted) callback();
    else this.#onAbort = callback;
  }
  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  #lost(): void {
    if (this.aborted || this.#ended) return;
    this.aborted = true;
    this.#onEnd();
    this.#onAbort?.();
    if (!this.started) this.#resolve(new Response(null, { status: 499 }));
  }
}

const errorResponse = (error: ApiError) => Response.json(openaiErrorBody(error), { status: error.status });

function runHandler(handler: Handler, exchange: ServeExchange, onHandlerError: (error: unknown) => void): void {
  const failed = (error: unknown) => {
    onHandlerError(error);
    if (exchange.started) exchange.destroy();
    else
      exchange.reply(
        500,
        [['content-type', 'application/json']],
        JSON.stringify(openaiErrorBody(new ApiError('internal_error'))),
      );
  };
  try {
    const result = handler(exchange);
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}

/** Listens on `hostname:port` with Bun.serve. */
export function startServeServer(options: RawServerOptions): HttpServer {
  const limits = { ...httpLimits, ...options.limits };
  const deadlines = new Deadlines();
  let inFlight = 0;
  let draining = false;
  const server = Bun.serve<ServeSocket>({
    websocket: serveSockets,
    hostname: options.hostname,
    port: options.port,
    idleTimeout: Math.min(255, Math.ceil(limits.keepAliveMs / 1000)),
    // Bun's own 413 has no body: ours says the limit, and reads no further than it.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch(request, bun) {
      if (draining) return errorResponse(new ApiError('draining'));
      bun.timeout(request, 0);
      inFlight++;
      const onEnd = () => {
        inFlight--;
        deadlines.delete(exchange);
      };
      const become = (data: ServeSocket) => bun.upgrade(request, { data });
      const peer = bun.requestIP(request)?.address ?? '';
      const exchange: ServeExchange = new ServeExchange(request, peer, limits, { onEnd, become });
      deadlines.add(exchange);
      runHandler(options.handler, exchange, options.onHandlerError);
      return exchange.response;
    },
    error: () => errorResponse(new ApiError('internal_error')),
  });
  const drain = async (graceMs: number): Promise<number> => {
    draining = true;
    void server.stop(false);
    const until = performance.now() + graceMs;
    while (inFlight > 0 && performance.now() < until) await Bun.sleep(20);
    const cut = inFlight;
    await server.stop(true);
    return cut;
  };
  return {
    hostname: options.hostname,
    port: server.port ?? 0,
    get inFlight() {
      return inFlight;
    },
    get connections() {
      return server.pendingRequests;
    },
    drain,
    async [Symbol.asyncDispose]() {
      await drain(0);
    },
  };
}
