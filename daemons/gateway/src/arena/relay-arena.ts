/** Carries one answer of the arena to a client, bytes as they come: a slow client slows the arena, not our memory. */
import type { ClientFailure, HttpCall, ResponseSink } from '@labmesh/kit/http/client';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { headerValue, type ResponseHead } from '@labmesh/kit/http/head';
import { ApiError } from '@labmesh/wire/errors';
import type { ArenaClient, ArenaRequest } from './arena-client.ts';

/** An arena that says nothing for this long is thought to be gone; a run has at most 120 s. */
const silenceMs = 150_000;

const returned = ['content-type', 'cache-control', 'retry-after', 'content-disposition', 'etag'];

class RelaySink implements ResponseSink {
  readonly done: Promise<void>;
  call: HttpCall | undefined;
  readonly #exchange: Exchange;
  readonly #requestId: string;
  readonly #resolve: () => void;
  readonly #reject: (error: ApiError) => void;
  #timer: NodeJS.Timeout;
  #begun = false;

  constructor(exchange: Exchange, requestId: string) {
    this.#exchange = exchange;
    this.#requestId = requestId;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#silent(), silenceMs);
  }

  onHead(head: ResponseHead): void {
    this.#timer.refresh();
    if (head.status === 401) return this.#refused();
    this.#begun = true;
    // It may hold what a model wrote: no browser may take it for a page of ours.
    const headers: Array<readonly [string, string]> = [
      ['x-request-id', this.#requestId],
      ['x-content-type-options', 'nosniff'],
    ];
    for (const name of returned) {
      const value = headerValue(head.headers, name);
      if (value !== undefined) headers.push([name, value]);
    }
    this.#exchange.start(head.status, headers);
    this.#exchange.onDrain(() => this.call?.resume());
  }

  onData(bytes: Buffer): void {
    this.#timer.refresh();
    if (!this.#exchange.write(bytes)) this.call?.pause();
  }

  onEnd(): void {
    this.#exchange.end();
    this.#settle();
  }

  onFailure(failure: ClientFailure): void {
    this.#fail(`${failure.reason}: ${failure.detail}`);
  }

  /** The client is gone, and with it the wish for what the arena does. */
  leave(): void {
    this.call?.abort();
    this.#settle();
  }

  /** Our secret, not the client's key. */
  #refused(): void {
    this.call?.abort();
    this.#fail("the arena refused the gateway's secret; gateway.internal_key_file must be the same for both");
  }

  #silent(): void {
    this.call?.abort();
    this.#fail('the arena said nothing for too long');
  }

  /** Half an answer can only be told by a broken transfer. */
  #fail(log: string): void {
    if (this.#begun) this.#exchange.destroy();
    else this.#reject(new ApiError('verification_unavailable', { log }));
    this.#settle();
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#resolve();
  }
}

/** Resolves when the answer has ended, one way or another. @throws ApiError verification_unavailable before it has begun */
export function relayArena(arena: ArenaClient, request: ArenaRequest, exchange: Exchange): Promise<void> {
  const sink = new RelaySink(exchange, request.requestId);
  exchange.onAbort(() => sink.leave());
  if (!exchange.aborted) sink.call = arena.send(request, sink);
  return sink.done;
}
