/** What happens in one tenant as its arena tells it: GET /v1/live, one JSON object a line, for as long as it is wanted. */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { HttpCall, ResponseSink } from '@labmesh/kit/http/client';
import type { ResponseHead } from '@labmesh/kit/http/head';
import { LineSplitter } from '@labmesh/kit/line-splitter';
import { parseJson } from '@labmesh/kit/parse-json';
import { liveLimits, type LiveLine, liveLineSchema } from '@labmesh/wire/verification/arena-live';
import type { ArenaClient } from '../arena/arena-client.ts';

/** The arena gives a sign three times as often. */
const silenceMs = 60_000;

export type LiveFeedOwner = {
  /** From now on nothing that happens is missed. */
  onReady(): void;
  onLine(line: LiveLine): void;
  /** Called once at most, and never after `close`. */
  onLost(): void;
};

/** Opened by who wants to hear; `close` ends it without a word to its owner. */
export class LiveFeed implements ResponseSink {
  readonly #owner: LiveFeedOwner;
  readonly #lines = new LineSplitter('arena.live_line_bytes', liveLimits.lineBytesMost);
  readonly #call: HttpCall;
  readonly #timer: NodeJS.Timeout;
  #isOver = false;

  constructor(arena: ArenaClient, tenant: string, requestId: string, owner: LiveFeedOwner) {
    this.#owner = owner;
    this.#timer = setTimeout(() => this.#lose(), silenceMs);
    // News are the tenant's: whichever of its keys asks hears the same.
    const whose = { tenant, key: 'unknown', requestId };
    this.#call = arena.send({ ...whose, method: 'GET', path: '/v1/live', accept: 'application/x-ndjson' }, this);
  }

  onHead({ status }: ResponseHead): void {
    if (this.#isOver) return;
    if (status === 200) this.#owner.onReady();
    else this.#lose();
  }

  onData(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#timer.refresh();
    try {
      for (const line of this.#lines.push(bytes)) if (line !== '' && !this.#isOver) this.#line(line);
    } catch (error) {
      if (!(error instanceof BoundPassed)) throw error;
      this.#lose();
    }
  }

  #line(text: string): void {
    const read = liveLineSchema.safeParse(parseJson(text));
    // What is no line of an arena comes from none.
    if (read.success) this.#owner.onLine(read.data);
    else this.#lose();
  }

  onEnd(): void {
    this.#lose();
  }
  onFailure(): void {
    this.#lose();
  }

  #lose(): void {
    if (this.#isOver) return;
    this.close();
    // Not while its owner still opens it.
    queueMicrotask(() => this.#owner.onLost());
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    // A failure may be told before the call is known.
    queueMicrotask(() => this.#call.abort());
  }
}
