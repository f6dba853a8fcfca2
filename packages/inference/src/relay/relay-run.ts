import { ApiError, type ErrorCode, openaiErrorBody } from '@labmesh/wire/errors';
import type { DeadlineEntry } from '@labmesh/kit/deadlines';
import type { HeaderList, ResponseHead } from '@labmesh/kit/http/head';
import { headerValue } from '@labmesh/kit/http/head';
import type { Lease } from '../choose/admission.ts';
import type { Endpoint } from '../registry/endpoint.ts';
import { Attempt, type AttemptEnd } from './attempt.ts';
import { readRefusal, type Verdict } from './read-refusal.ts';
import type { RelayHost, RelayOutcome, RelayRequest } from './relay-request.ts';
import { answerHeaders, upstreamHead } from './relay-headers.ts';
import { spliceBody } from './scan-body.ts';
import { estimateUsage, type Usage } from './usage.ts';

// Waiting for a loading or busy engine is no failed attempt, but it has an end too.
const roundsMax = 50;
const sameEndpointWaitMs = 50;

const plainName = /^[\x21-\x7e]+$/;

const sseHead: HeaderList = [
  ['content-type', 'text/event-stream'],
  ['cache-control', 'no-cache'],
  ['x-accel-buffering', 'no'],
];

/** One request from admission to its last byte. */
export class RelayRun implements DeadlineEntry {
  deadline = 0;
  #relay: RelayHost;
  #request: RelayRequest;
  #startedAt = performance.now();
  #queueMs = 0;
  #ttftMs: number | undefined;
  #attempts = 0;
  /** Attempts that count against the limit: those that reached an engine and failed there. */
  #failures = 0;
  #endpoint: Endpoint | undefined;
  #attempt: Attempt | undefined;
  #cancelWait: (() => void) | undefined;
  #left = false;
  #onLeft: (() => void) | undefined;
  #shutDown = false;
  /** Leave stream_options alone: the engine has just refused it. */
  #withoutUsage = false;
  #askedUsage = false;
  #keptAlive = false;

  constructor(relay: RelayHost, request: RelayRequest) {
    this.#relay = relay;
    this.#request = request;
    if (request.body.stream) {
      this.deadline = this.#startedAt + relay.limits.keepaliveAfterMs;
      relay.deadlines.add(this);
    }
    request.exchange.onAbort(() => this.#clientLeft());
  }

  async finish(): Promise<RelayOutcome> {
    try {
      return await this.#attemptUntilDone();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return this.#answerError(error);
    } finally {
      this.#relay.deadlines.delete(this);
    }
  }

  async #attemptUntilDone(): Promise<RelayOutcome> {
    const tried = new Set<Endpoint>();
    let lastError: ApiError | undefined;
    if (this.#left) return this.#outcome(499, undefined, undefined);
    for (let round = 0; round < roundsMax && this.#failures < this.#relay.limits.attemptsMax; round++) {
      const lease = await this.#lease(tried, lastError);
      if (lease === undefined || this.#left) return this.#leave(lease);
      let end: AttemptEnd;
      try {
        this.#attempts++;
        this.#endpoint = lease.endpoint;
        end = await this.#send(lease.endpoint);
      } finally {
        lease[Symbol.dispose]();
      }
      const verdict = this.#judge(end, lease.endpoint);
      if ('status' in verdict) return verdict;
      lastError = verdict.error;
      if (verdict.again === 'no') throw verdict.error;
      if (verdict.again === 'elsewhere') tried.add(lease.endpoint);
      const unreached = end.type === 'failed' && end.reason === 'connect';
      if (verdict.again === 'elsewhere' && !unreached) this.#failures++;
    }
    throw lastError ?? new ApiError('upstream_error');
  }

  /** The client left while waiting, or the server stops. */
  #leave(lease: Lease | undefined): RelayOutcome {
    if (lease !== undefined) this.#relay.registry.noteTraffic(lease.endpoint, { type: 'abandoned' });
    lease?.[Symbol.dispose]();
    if (this.#shutDown) return this.#answerError(new ApiError('server_shutting_down'));
    return this.#outcome(499, undefined, undefined);
  }

  /** An endpoint to send to; undefined when the client left while waiting. */
  async #lease(tried: Set<Endpoint>, lastError: ApiError | undefined): Promise<Lease | undefined> {
    const { admission, clock, registry } = this.#relay;
    const { candidates, model, queue, turn, routing, session } = this.#request;
    const ask = { model, candidates, tried, queue, turn, routing, session };
    if (tried.size > 0 && !candidates().some((endpoint) => !tried.has(endpoint) && registry.usable(endpoint))) {
      // Nobody else is left: the same ones again after a moment, if they are still thought to work.
      if (!candidates().some((endpoint) => registry.usable(endpoint))) {
        if (!this.#mayRecover(candidates())) throw lastError ?? new ApiError('no_endpoint_available');
      }
      const waitMs = Math.min(2_000, sameEndpointWaitMs * 2 ** this.#attempts) * (0.8 + Math.random() * 0.4);
      await Promise.race([clock.sleep(waitMs), new Promise<void>((resolve) => (this.#onLeft = resolve))]);
      this.#onLeft = undefined;
      if (this.#left || this.#shutDown) return undefined;
      tried.clear();
    }
    const free = admission.tryAcquire(ask);
    if (free !== undefined) return free;
    const since = performance.now();
    const { lease, cancel } = admission.wait(ask);
    const left = new Promise<undefined>((resolve) => {
      this.#onLeft = () => resolve(undefined);
      this.#cancelWait = cancel;
    });
    try {
      return await Promise.race([lease, left]);
    } finally {
      this.#cancelWait = undefined;
      this.#onLeft = undefined;
      this.#queueMs += performance.now() - since;
    }
  }

  /** A request that could still be served is not failed while an endpoint may be back in a moment. */
  #mayRecover(candidates: readonly Endpoint[]): boolean {
    const now = this.#relay.clock.now();
    const { downWaitMs } = this.#relay.admission.limits;
    return candidates.some(
      (endpoint) =>
        endpoint.state === 'warming' ||
        endpoint.state === 'busy' ||
        endpoint.state === 'unknown' ||
        (endpoint.lastSuccess > 0 && now - endpoint.lastSuccess < downWaitMs && endpoint.state === 'unhealthy'),
    );
  }

  async #send(endpoint: Endpoint): Promise<AttemptEnd> {
    const { body, exchange, hasStreamUsage, requestId, path, model } = this.#request;
    const includeUsage = body.stream && hasStreamUsage && !endpoint.refusesStreamOptions && !this.#withoutUsage;
    this.#askedUsage = includeUsage && body.streamOptions === undefined;
    const parts = spliceBody(body, { model, includeUsage });
    let length = 0;
    for (const part of parts) length += part.length;
    const head = upstreamHead(endpoint, {
      path,
      query: exchange.query,
      requestId,
      length,
      stream: body.stream,
      headers: exchange.headers(),
    });
    const attempt = new Attempt(
      {
        endpoint,
        exchange,
        head,
        body: parts,
        stream: body.stream,
        withholdUsage: includeUsage && body.streamOptions?.includeUsage?.value !== true,
        responseBytesMax: this.#relay.limits.responseBytesMax,
        isPromisedStream: () => this.#keptAlive,
        startAnswer: (answer) => this.#startAnswer(answer),
        replyWhole: (answer, bytes) => this.#replyWhole(answer, bytes),
      },
      this.#relay.pool,
      this.#relay.deadlines,
    );
    this.#attempt = attempt;
    const end = await attempt.end;
    this.#attempt = undefined;
    if (attempt.firstByteAt > 0) this.#ttftMs = attempt.firstByteAt - this.#startedAt;
    return end;
  }

  #ours(): HeaderList {
    const { requestId, model } = this.#request;
    const ours: Array<readonly [string, string]> = [
      ['x-request-id', requestId],
      ['x-labmesh-model', plainName.test(model) ? model : encodeURI(model.toWellFormed())],
      ['x-labmesh-attempts', String(this.#attempts)],
    ];
    if (this.#queueMs >= 1) ours.push(['x-labmesh-queue-ms', String(Math.round(this.#queueMs))]);
    return ours;
  }

  /** The engine's headers that go on, and ours. */
  #headers(head: ResponseHead): Array<readonly [string, string]> {
    const { isReturned } = this.#relay;
    const mark = this.#mark();
    if (mark === undefined) return answerHeaders(head.headers, isReturned, this.#ours());
    return answerHeaders(head.headers, (name) => name !== mark[0] && isReturned(name), [...this.#ours(), mark]);
  }

  #mark(): readonly [string, string] | undefined {
    return this.#endpoint === undefined ? undefined : this.#request.mark?.(this.#endpoint);
  }

  /** The head has gone: a comment before the engine's first byte says what it would have said. */
  #markLate(): void {
    const mark = this.#mark();
    if (mark !== undefined) this.#request.exchange.write(Buffer.from(`: ${mark.join(' ')}\n\n`));
  }

  #startAnswer(head: ResponseHead): void {
    this.deadline = 0;
    if (this.#keptAlive) return this.#markLate();
    const headers = this.#headers(head);
    if (this.#request.body.stream && headerValue(headers, 'x-accel-buffering') === undefined)
      headers.push(['x-accel-buffering', 'no']);
    this.#request.exchange.start(head.status, headers);
  }

  #replyWhole(head: ResponseHead, body: Uint8Array): void {
    this.deadline = 0;
    const { exchange } = this.#request;
    if (!this.#keptAlive) return exchange.reply(head.status, this.#headers(head), body);
    this.#markLate();
    // The client was promised a stream and the engine gave one object: it goes out as one event.
    const lines = Buffer.from(body)
      .toString('utf8')
      .split(/\r\n|\n|\r/);
    exchange.write(Buffer.from(`${lines.map((line) => `data: ${line}\n`).join('')}\n`));
    exchange.end();
  }

  /** Books the end of an attempt; gives the outcome, or what to do next. */
  #judge(end: AttemptEnd, endpoint: Endpoint): RelayOutcome | Verdict {
    const { registry } = this.#relay;
    const estimated = (deltas: number) => estimateUsage(this.#request.body.bytes.length, deltas);
    if (end.type === 'done') {
      registry.noteTraffic(endpoint, { type: 'success' });
      // It was the option that the engine minded: it is not asked again.
      if (this.#withoutUsage) endpoint.refusesStreamOptions = true;
      return this.#outcome(
        end.status,
        undefined,
        undefined,
        end.usage ?? (this.#request.body.stream ? estimated(end.deltas) : undefined),
      );
    }
    if (end.type === 'left') registry.noteTraffic(endpoint, { type: 'abandoned' });
    if (end.type === 'left')
      return this.#outcome(
        499,
        undefined,
        undefined,
        end.usage ?? (end.deltas > 0 ? estimated(end.deltas) : undefined),
      );
    if (end.type === 'refused') return this.#judgeRefusal(end, endpoint);
    const reason = end.reason === 'stalled' ? 'timeout' : end.reason === 'too_large' ? 'invalid' : end.reason;
    registry.noteTraffic(
      endpoint,
      this.#shutDown ? { type: 'abandoned' } : { type: 'failure', reason, detail: end.detail },
    );
    if (!end.passed) {
      const code: ErrorCode =
        end.reason === 'timeout'
          ? 'upstream_timeout'
          : end.reason === 'invalid'
            ? 'upstream_invalid'
            : 'upstream_error';
      return {
        again: this.#shutDown ? 'no' : 'elsewhere',
        error: this.#shutDown ? new ApiError('server_shutting_down') : new ApiError(code, { log: end.detail }),
      };
    }
    const code: ErrorCode = this.#shutDown
      ? 'server_shutting_down'
      : end.reason === 'stalled'
        ? 'upstream_stalled'
        : end.reason === 'too_large'
          ? 'upstream_too_large'
          : 'upstream_broken';
    return this.#breakOff(new ApiError(code, { log: end.detail }), end.usage ?? estimated(end.deltas), end);
  }

  #judgeRefusal(end: AttemptEnd & { type: 'refused' }, endpoint: Endpoint): RelayOutcome | Verdict {
    const retryAfter = Number(headerValue(end.head.headers, 'retry-after'));
    const text = Buffer.from(end.body).toString('utf8', 0, 4096);
    this.#relay.registry.noteTraffic(endpoint, {
      type: 'status',
      status: end.status,
      body: text,
      ...(Number.isFinite(retryAfter) && retryAfter > 0 ? { retryAfterS: retryAfter } : {}),
    });
    if (end.status === 400 && this.#askedUsage && text.includes('stream_options')) {
      this.#withoutUsage = true;
      return { again: 'when-ready', error: new ApiError('upstream_error') };
    }
    const verdict = readRefusal(end.status, text, retryAfter);
    if (verdict !== undefined) return verdict;
    // The caller's own mistake in the engine's own words: untouched.
    if (this.#keptAlive) {
      const said = text.trim() === '' ? `the endpoint refused the request with status ${end.status}` : text;
      return this.#breakOff(new ApiError('bad_request', { message: said }), undefined);
    }
    this.#replyWhole(end.head, end.body);
    return this.#outcome(end.status, undefined, undefined);
  }

  /** An error after the answer began: inside the stream, never a silent end. */
  #breakOff(error: ApiError, usage: Usage | undefined, sent = { sse: this.#keptAlive, midEvent: false }): RelayOutcome {
    const { exchange, requestId } = this.#request;
    if (sent.sse) {
      // Half an event is ended first: glued to it, nobody could read the error.
      const start = sent.midEvent ? '\n\n' : '';
      exchange.write(Buffer.from(`${start}data: ${JSON.stringify(openaiErrorBody(error, requestId))}\n\n`));
      exchange.end();
    } else {
      // Half of an object can only be told by a broken transfer.
      exchange.destroy();
    }
    return this.#outcome(200, error.code, error.log, usage);
  }

  #answerError(error: ApiError): RelayOutcome {
    if (this.#left) return this.#outcome(499, undefined, undefined);
    if (this.#keptAlive) return this.#breakOff(error, undefined);
    const headers: Array<readonly [string, string]> = [['content-type', 'application/json'], ...this.#ours()];
    if (error.retryAfterS !== undefined) headers.push(['retry-after', String(Math.ceil(error.retryAfterS))]);
    this.#request.exchange.reply(
      error.status,
      headers,
      JSON.stringify(openaiErrorBody(error, this.#request.requestId)),
    );
    return this.#outcome(error.status, error.code, error.log);
  }

  #outcome(status: number, code: ErrorCode | undefined, detail: string | undefined, usage?: Usage): RelayOutcome {
    return {
      status,
      code,
      detail,
      endpoint: this.#endpoint,
      attempts: this.#attempts,
      queueMs: this.#queueMs,
      ttftMs: this.#ttftMs,
      usage,
    };
  }

  #clientLeft(): void {
    this.#left = true;
    this.#cancelWait?.();
    this.#onLeft?.();
    this.#attempt?.leave();
  }

  /** Keep-alive: a comment that says why nothing comes yet. Errors are told in-band from here on. */
  onDeadline(): void {
    const { exchange } = this.#request;
    if (this.#left || (exchange.started && !this.#keptAlive)) return;
    if (!this.#keptAlive) {
      this.#keptAlive = true;
      exchange.start(200, [...sseHead, ...this.#ours()]);
    }
    exchange.write(Buffer.from(`: ${this.#waitingFor()}\n\n`));
    this.deadline = performance.now() + this.#relay.limits.keepaliveEveryMs;
  }

  #waitingFor(): string {
    if (this.#attempt !== undefined) return 'prefill';
    const { candidates, queue } = this.#request;
    if (candidates().some((endpoint) => endpoint.state === 'warming')) return 'loading';
    if (!candidates().some((endpoint) => this.#relay.registry.usable(endpoint)))
      return 'waiting for an endpoint to come back';
    return `queued ${this.#relay.admission.queuedFor(queue)}`;
  }

  leaveDeadEndpoint(): void {
    if (this.#endpoint?.state === 'unhealthy') this.#attempt?.giveUp('the endpoint went down');
  }

  /** The server stops: the client gets an error that it can read. */
  shutDown(): void {
    this.#shutDown = true;
    this.#cancelWait?.();
    this.#onLeft?.();
    this.#attempt?.cut('the server is shutting down');
  }
}
