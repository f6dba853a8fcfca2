/**
 * The gateway's side of `arena.run` (verification RP2): an offer goes out, events come back one JSON object a line until
 * a result or an error. The arena is ours, but what it says holds text of models: lines, events and bytes have bounds,
 * and every event is checked before anything believes it.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { ClientFailure, HttpCall, HttpPool, Origin, ResponseSink } from '@labmesh/kit/http/client';
import { hostHeader } from '@labmesh/kit/http/fetch-whole';
import { cleanHeaderValue, type ResponseHead } from '@labmesh/kit/http/head';
import { LineSplitter } from '@labmesh/kit/line-splitter';
import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError, type ErrorCode } from '@labmesh/wire/errors';
import {
  type ArenaEvent,
  arenaEventSchema,
  arenaLineBytesMost,
  type ArenaResult,
  keyHeader,
  lastEvents,
  priorityMostHeader,
  runsPath,
  tenantHeader,
  variationsMostHeader,
} from '@labmesh/wire/verification/arena-run';
import { z } from 'zod';
import type { KeyRights } from '../access/key-rights.ts';

/** Events of one run; more are none of ours. */
const arenaEventsMost = 20_000;
/** Bytes of an answer that is no run: an error. */
const refusalBytesMost = 64 * 1024;
/** After its result an arena ends the answer; one that does not has its connection closed. */
const lingerMs = 1_000;
/** What of an arena's message a client may read. */
const messageCharsMost = 500;
const lastOfRun = `${runsPath}?events=${lastEvents}`;

/** Of whom a call is made, and its id for the arena's log. */
export type ArenaPayer = Pick<ArenaRequest, 'tenant' | 'key' | 'requestId'>;

export type ArenaRequest = {
  method: string;
  /** With its query, below the arena's address. */
  path: string;
  tenant: string;
  /** Id of the key that asks. */
  key: string;
  requestId: string;
  /** Content type of the body; absent = no body. */
  contentType?: string | undefined;
  accept?: string | undefined;
  body?: Uint8Array | undefined;
};

export type ArenaClientParts = {
  pool: HttpPool;
  origin: Origin;
  /** Path of the arena's address. */
  prefix: string;
  /** The secret that gateway and arena share. */
  token: string;
  /** What a key may ask for, by its id; without it no key has more than everybody. */
  rightsOf?: ((keyId: string) => KeyRights) | undefined;
};

const unavailable = (log: string) => new ApiError('verification_unavailable', { log });

export class ArenaClient {
  readonly #pool: HttpPool;
  readonly #origin: Origin;
  readonly #prefix: string;
  readonly #token: string;
  readonly #rightsOf: (keyId: string) => KeyRights | undefined;

  constructor(parts: ArenaClientParts) {
    this.#pool = parts.pool;
    this.#origin = parts.origin;
    this.#prefix = parts.prefix;
    this.#token = parts.token;
    this.#rightsOf = parts.rightsOf ?? (() => undefined);
  }

  /** Where the arena is: for who runs this gateway, and for no holder of a key. */
  get address(): string {
    const { host, port, tls, socketPath } = this.#origin;
    if (socketPath !== undefined) return `unix:${socketPath}`;
    return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}${this.#prefix}`;
  }

  /** Sends one request; the answer goes to `sink`. Tenant, key and its rights are headers of ours, never the client's. */
  send(request: ArenaRequest, sink: ResponseSink): HttpCall {
    const { method, path, tenant, key, requestId, contentType, accept = '*/*', body } = request;
    const headers: Array<readonly [string, string]> = [
      ['host', hostHeader(this.#origin)],
      ['authorization', `Bearer ${this.#token}`],
      ['accept', accept],
      ['accept-encoding', 'identity'],
      ['x-request-id', requestId],
      [tenantHeader, tenant],
      [keyHeader, key],
    ];
    const { priorityMost, variationsMost } = this.#rightsOf(key) ?? {};
    if (priorityMost !== undefined) headers.push([priorityMostHeader, priorityMost]);
    if (variationsMost !== undefined) headers.push([variationsMostHeader, String(variationsMost)]);
    if (body !== undefined) headers.push(['content-type', contentType ?? 'application/json']);
    if (method !== 'GET' && method !== 'HEAD') headers.push(['content-length', String(body?.length ?? 0)]);
    const lines = headers.map(([name, value]) => `${name}: ${cleanHeaderValue(value)}\r\n`);
    const head = `${method} ${this.#prefix}${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
    return this.#pool.send(this.#origin, { method, head, body: body === undefined ? [] : [body] }, sink);
  }

  /**
   * Runs an offer (`offerBytes`) to its end. Aborting closes the connection, which ends the run.
   * @throws ApiError verification_unavailable, what the arena's error names, or the signal's reason
   */
  run(whose: ArenaPayer, offer: Uint8Array, signal: AbortSignal): Promise<ArenaResult> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const settle = (end: ArenaResult | Error) => {
        signal.removeEventListener('abort', onAbort);
        if (!(end instanceof Error)) return resolve(end);
        sink.call?.abort();
        reject(end);
      };
      const sink = new RunSink(settle);
      const onAbort = () => settle(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      const { tenant, key, requestId } = whose;
      const how = { method: 'POST', path: lastOfRun, accept: 'application/x-ndjson', body: offer };
      sink.call = this.send({ tenant, key, requestId, ...how }, sink);
    });
  }
}

/** Reads the last event of one run; an arena that knows no `events` tells those before it too. */
class RunSink implements ResponseSink {
  call: HttpCall | undefined;
  readonly #lines = new LineSplitter('arena.line_bytes', arenaLineBytesMost);
  readonly #settle: (end: ArenaResult | Error) => void;
  #status = 0;
  #events = 0;
  #refusal: Buffer[] = [];
  #refusalBytes = 0;
  #linger: NodeJS.Timeout | undefined;
  #over = false;

  constructor(settle: (end: ArenaResult | Error) => void) {
    this.#settle = settle;
  }

  onHead(head: ResponseHead): void {
    this.#status = head.status;
  }

  onData(bytes: Buffer): void {
    // Nothing comes after a result.
    if (this.#over) return this.call?.abort();
    if (this.#status !== 200) return this.#keepRefusal(bytes);
    try {
      for (const line of this.#lines.push(bytes)) this.#line(line);
    } catch (error) {
      if (!(error instanceof BoundPassed)) throw error;
      this.#end(unavailable(error.message));
    }
  }

  onEnd(): void {
    clearTimeout(this.#linger);
    if (this.#over) return;
    if (this.#status === 200) {
      this.#line(this.#lines.end());
      return this.#end(unavailable('the arena ended a run without a result'));
    }
    this.#end(refusalOf(this.#status, Buffer.concat(this.#refusal).toString('utf8')));
  }

  onFailure(failure: ClientFailure): void {
    clearTimeout(this.#linger);
    this.#end(unavailable(`${failure.reason}: ${failure.detail}`));
  }

  #keepRefusal(bytes: Buffer): void {
    this.#refusalBytes += bytes.length;
    if (this.#refusalBytes <= refusalBytesMost) this.#refusal.push(Buffer.from(bytes));
    else this.#end(unavailable(`the arena answered ${this.#status} and would not stop`));
  }

  #line(line: string): void {
    if (this.#over || line.trim() === '') return;
    const read = arenaEventSchema.safeParse(parseJson(line));
    if (!read.success || ++this.#events > arenaEventsMost) {
      return this.#end(unavailable(read.success ? 'too many events of one run' : 'an event that is none of ours'));
    }
    if (read.data.event === 'result') {
      this.#linger = setTimeout(() => this.call?.abort(), lingerMs);
      this.#end(read.data);
    } else if (read.data.event === 'error') this.#end(errorOf(read.data));
  }

  #end(end: ArenaResult | Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#settle(end);
  }
}

const clean = (text: string) => text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, messageCharsMost);

/** The error that a client gets for one of the arena. */
function errorOf(event: Extract<ArenaEvent, { event: 'error' }>): ApiError {
  const { code, message, field, retryAfterS } = event;
  // A fault inside the arena is told by its name alone.
  if (code === 'internal_error')
    return new ApiError('verification_unavailable', { log: 'the arena met a fault of its own' });
  return new ApiError(code, {
    ...(message !== '' && { message: clean(message) }),
    ...(field !== null && { param: clean(field) }),
    ...(retryAfterS !== null && { retryAfterS: Math.min(Math.max(retryAfterS, 1), 3_600) }),
  });
}

/** The codes that a refusal of the arena may carry to the client. */
const passedCodes = new Set<string>([
  'verification_bad_option',
  'verification_inconclusive',
  'verification_deadline',
  'arena_busy',
  'budget_exceeded',
] satisfies ErrorCode[]);
const refusalSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), param: z.string().nullish() }),
});

/** An answer that is no run: an event line, an error in OpenAI's form, or anything at all. */
function refusalOf(status: number, text: string): ApiError {
  const json = parseJson(text);
  const event = arenaEventSchema.safeParse(json).data;
  if (event?.event === 'error') return errorOf(event);
  const refusal = refusalSchema.safeParse(json).data?.error;
  if (refusal !== undefined && passedCodes.has(refusal.code)) {
    return new ApiError(refusal.code as ErrorCode, {
      message: clean(refusal.message),
      ...(refusal.param && { param: clean(refusal.param) }),
    });
  }
  return unavailable(`the arena answered with status ${status}`);
}
