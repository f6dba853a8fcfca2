/**
 * An exchange whose answer is held until there is a verdict: a stream says `: verifying` meanwhile, so that nobody in
 * between takes the silence for a fault. Once it has begun, errors are told inside it.
 */
import type { Exchange } from '@labmesh/kit/http/exchange';
import { type ApiError, openaiErrorBody } from '@labmesh/wire/errors';
import type { VerificationReport } from '@labmesh/wire/verification/verification-block';
import { replyError } from '../reply.ts';
import { ForwardedExchange } from './forwarded-exchange.ts';
import { labmeshVerificationHeader, uncheckedHeaders, verifiedHeaders } from './verified-headers.ts';

type Header = readonly [name: string, value: string];

/** Events are gathered into writes of this size. */
const writeBytes = 16 * 1024;

const sseHead: readonly Header[] = [
  ['content-type', 'text/event-stream'],
  ['cache-control', 'no-cache'],
  ['x-accel-buffering', 'no'],
];

export class HeldExchange implements Disposable {
  readonly #exchange: Exchange;
  readonly #ours: readonly Header[];
  readonly #requestId: string;
  #timer: NodeJS.Timeout | undefined;
  #begun = false;
  #onDrain: (() => void) | undefined;

  constructor(exchange: Exchange, request: { requestId: string; stream: boolean; commentMs: number; model: string }) {
    this.#exchange = exchange;
    this.#requestId = request.requestId;
    this.#ours = [
      ['x-request-id', request.requestId],
      [
        'x-labmesh-model',
        /^[\x21-\x7e]+$/.test(request.model) ? request.model : encodeURI(request.model.toWellFormed()),
      ],
    ];
    if (request.stream) this.#timer = setInterval(() => this.#comment(), request.commentMs);
  }

  #comment(): void {
    if (this.#exchange.aborted) return;
    if (!this.#begun) {
      this.#begun = true;
      this.#exchange.start(200, [...sseHead, ...this.#ours, [labmeshVerificationHeader, 'pending']]);
    }
    this.#exchange.write(Buffer.from(': verifying\n\n'));
  }

  /** A whole answer. */
  replyWhole(body: object, headers: readonly Header[]): void {
    this[Symbol.dispose]();
    if (this.#exchange.aborted) return;
    const head: Header[] = [['content-type', 'application/json'], ...this.#ours, ...headers];
    this.#exchange.reply(200, head, JSON.stringify(body));
  }

  /** The events of a stream, as fast as the client takes them. Resolves when they are written, or the client is gone. */
  async replyStream(events: Iterable<string>, headers: readonly Header[]): Promise<void> {
    this[Symbol.dispose]();
    const exchange = this.#exchange;
    if (exchange.aborted) return;
    if (!this.#begun) exchange.start(200, [...sseHead, ...this.#ours, ...headers]);
    exchange.onDrain(() => this.#onDrain?.());
    exchange.onAbort(() => this.#onDrain?.());
    let gathered = '';
    for (const event of events) {
      gathered += event;
      if (gathered.length < writeBytes) continue;
      await this.#write(gathered);
      if (exchange.aborted) return;
      gathered = '';
    }
    if (gathered !== '') exchange.write(Buffer.from(gathered));
    exchange.end();
  }

  async #write(text: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onDrain = resolve;
    if (this.#exchange.write(Buffer.from(text))) return;
    // The client's own stall limit ends a wait that has no end.
    await promise;
  }

  /** An error in the form that is possible still; `report` says why no answer was good enough. */
  replyError(error: ApiError, report: VerificationReport | undefined): void {
    this[Symbol.dispose]();
    const exchange = this.#exchange;
    if (exchange.aborted) return;
    const more = report === undefined ? {} : { verification: report };
    if (this.#begun) {
      const body = { ...openaiErrorBody(error, this.#requestId), ...more };
      exchange.write(Buffer.from(`data: ${JSON.stringify(body)}\n\n`));
      exchange.end();
      return;
    }
    const headers = report === undefined ? [] : verifiedHeaders(report.status, null);
    const own: Header[] = headers.length > 0 ? headers : [[labmeshVerificationHeader, 'error']];
    replyError(exchange, this.#requestId, error, { headers: own, body: more });
  }

  /** The exchange for a plain relay instead: its answer says that nothing was checked. */
  passOn(): Exchange {
    this[Symbol.dispose]();
    return new PassedOn(this.#exchange, this.#begun);
  }

  /** No more comments. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Adds the headers that claim nothing, or goes on in a stream that has begun. */
class PassedOn extends ForwardedExchange {
  readonly #begun: boolean;
  #started = false;

  constructor(inner: Exchange, begun: boolean) {
    super(inner);
    this.#begun = begun;
  }

  override get started(): boolean {
    return this.#started;
  }
  override start(status: number, headers: readonly Header[]): void {
    this.#started = true;
    if (!this.#begun) this.inner.start(status, [...headers, ...uncheckedHeaders]);
  }
  override reply(status: number, headers: readonly Header[], body: Uint8Array | string): void {
    this.#started = true;
    if (!this.#begun) return this.inner.reply(status, [...headers, ...uncheckedHeaders], body);
    // The client was promised a stream: a whole answer or an error goes out as one event.
    const lines = (typeof body === 'string' ? body : Buffer.from(body).toString('utf8')).split(/\r\n|\n|\r/);
    this.inner.write(Buffer.from(`${lines.map((line) => `data: ${line}\n`).join('')}\n`));
    this.inner.end();
  }
}
