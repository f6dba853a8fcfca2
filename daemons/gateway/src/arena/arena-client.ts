/**
 * The gateway's side of `arena.run` (verification RP2): an offer goes out, events come back one JSON object a line until
 * a result or an error.
 */
import type { HttpCall, HttpPool, Origin, ResponseSink } from '@labmesh/kit/http/client';
import { hostHeader } from '@labmesh/kit/http/fetch-whole';
import { cleanHeaderValue } from '@labmesh/kit/http/head';
import {
  type ArenaResult,
  keyHeader,
  lastEvents,
  priorityMostHeader,
  runsPath,
  tenantHeader,
  variationsMostHeader,
} from '@labmesh/wire/verification/arena-run';
import type { Outcome } from '@labmesh/wire/verification/verdict';
import type { KeyRights } from '../access/key-rights.ts';
import { type ReadEvent, readOutcome, readResult } from './read-arena-event.ts';
import { RunSink } from './run-sink.ts';

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
    return this.#run(whose, offer, signal, readResult);
  }

  /** The same for who needs the verdict alone: nothing else of the result is looked at, or believed. */
  outcome(whose: ArenaPayer, offer: Uint8Array, signal: AbortSignal): Promise<Outcome> {
    return this.#run(whose, offer, signal, readOutcome);
  }

  #run<T>(whose: ArenaPayer, offer: Uint8Array, signal: AbortSignal, read: ReadEvent<T>): Promise<T> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const settle = (end: T | Error) => {
        signal.removeEventListener('abort', onAbort);
        if (!(end instanceof Error)) return resolve(end);
        sink.call?.abort();
        reject(end);
      };
      const sink = new RunSink(read, settle);
      const onAbort = () => settle(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      const { tenant, key, requestId } = whose;
      const how = { method: 'POST', path: lastOfRun, accept: 'application/x-ndjson', body: offer };
      sink.call = this.send({ tenant, key, requestId, ...how }, sink);
    });
  }
}
