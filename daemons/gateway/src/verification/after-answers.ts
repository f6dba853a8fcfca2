/**
 * Audit and shadow: answers that went out are offered to the arena afterwards, a few at a time, tenants in turn. The answers
 * never wait for that. What finds no room is dropped and counted, never held back.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { Clock } from '@labmesh/kit/clock';
import { type FairEntry, FairQueue } from '@labmesh/kit/fair/fair-queue';
import type { Logger } from '@labmesh/kit/log';
import { ApiError } from '@labmesh/wire/errors';
import { priorityAgeMs, priorityRank, usualPriority } from '@labmesh/wire/verification/priority';
import type { ArenaClient } from '../arena/arena-client.ts';

/** Runs that are open towards the arena; it has a queue of its own for what it cannot do at once. */
const openMost = 64;

/** An arena that is too busy is left alone for as long as it says, within this, ms: the place may be wanted by another
 *  tenant, whose turn has come. */
const pauseMostMs = 1_000;
/** One line of each kind in this time, ms: an arena that is away for an hour is told once, not once an answer. */
const sayEveryMs = 10_000;

/** Of all of them: the arena holds runs to the class that each asks for. */
const priority = priorityRank(usualPriority);

/** An answer that waits: the offer is made when its turn comes, so that only bytes are kept until then. */
export type Waiting = {
  mode: 'audit' | 'shadow';
  /** Longest run, ms. */
  waitMs: number;
  tenant: string;
  key: string;
  requestId: string;
  /** Its JSON; undefined when the answer cannot be judged. */
  offer: (deadlineMs: number) => Uint8Array | undefined;
  /** Gives back what is held for it; called once, whatever becomes of it. */
  release: () => void;
};

type Queued = FairEntry & { item: Waiting };

/** Results by mode: `valid` … `unchecked`, `skipped`, or the code of an error. */
export type CountResult = (mode: string, result: string) => void;

/** The offer's own copy is all that is kept from here on. */
function takeOffer(item: Waiting, deadlineMs: number) {
  try {
    return item.offer(deadlineMs);
  } finally {
    item.release();
  }
}

export class AfterAnswers implements Disposable {
  readonly #arena: ArenaClient | undefined;
  readonly #queue: FairQueue<Queued>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #count: CountResult;
  readonly #ending = new AbortController();
  /** When a code was logged last. */
  readonly #said = new Map<string, number>();
  #open = 0;

  constructor(parts: {
    arena: ArenaClient | undefined;
    waitingMax: number;
    clock: Clock;
    log: Logger;
    count: CountResult;
  }) {
    this.#arena = parts.arena;
    // Of what may wait, one tenant has at most half.
    const [max, groupMax] = [parts.waitingMax, Math.ceil(parts.waitingMax / 2)];
    const bounds = { name: 'verification.waiting_max', max, groupMax, ageMs: priorityAgeMs };
    // Nobody waits for these: no place is kept open.
    this.#queue = new FairQueue({ ...bounds, places: openMost, keepMs: 0 });
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#count = parts.count;
  }

  /** Answers that wait for their turn. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Whether an answer of this tenant would be taken now: none is copied that would not. */
  hasRoom(tenant: string): boolean {
    return this.#open < openMost || this.#queue.hasRoom(tenant);
  }

  /** Takes an answer, or drops it. */
  add(item: Waiting): void {
    if (this.#arena === undefined || this.#ending.signal.aborted) return this.#drop(item, 'unavailable');
    if (this.#open < openMost) {
      this.#open++;
      this.#queue.hold({ group: item.tenant, priority });
      // Not now: the answer's last bytes leave first.
      setImmediate(() => void this.#runAll(item));
      return;
    }
    try {
      this.#queue.push({ group: item.tenant, priority, since: this.#clock.now(), item });
    } catch (error) {
      if (!(error instanceof BoundPassed)) throw error;
      this.#drop(item, 'dropped');
    }
  }

  #drop(item: Waiting, result: string): void {
    item.release();
    this.#count(item.mode, result);
  }

  /** One of the open places: an answer, then those that wait, one after another. */
  async #runAll(first: Waiting): Promise<void> {
    for (let item: Waiting | undefined = first; item !== undefined; item = this.#next(item.tenant)) {
      if (this.#ending.signal.aborted) item.release();
      else await this.#run(item);
    }
    this.#open--;
  }

  /** Hands the place of a tenant to whose turn it is. */
  #next(from: string): Waiting | undefined {
    const now = this.#clock.now();
    this.#queue.free(from, now);
    const next = this.#queue.shift(now);
    if (next !== undefined) this.#queue.hold(next);
    return next?.item;
  }

  async #run(item: Waiting): Promise<void> {
    let result = 'skipped';
    let pauseMs = 0;
    try {
      const offer = takeOffer(item, this.#clock.wall() + item.waitMs);
      if (offer !== undefined) result = await this.#send(item, offer);
    } catch (error) {
      result = error instanceof ApiError ? error.code : 'fault';
      const detail = error instanceof ApiError ? error.log : undefined;
      if (!this.#ending.signal.aborted) this.#say(result, { mode: item.mode, code: result, detail });
      if (error instanceof ApiError) pauseMs = Math.min(pauseMostMs, (error.retryAfterS ?? 0) * 1_000);
    }
    this.#count(item.mode, result);
    // The place stays taken: what comes meanwhile waits, or finds no room.
    if (pauseMs > 0) await this.#clock.sleep(pauseMs, this.#ending.signal).catch(() => {});
  }

  #say(code: string, fields: Record<string, unknown>): void {
    const now = this.#clock.now();
    if (now - (this.#said.get(code) ?? -Infinity) < sayEveryMs) return;
    this.#said.set(code, now);
    this.#log.warn('an answer was not verified', fields);
  }

  async #send(item: Waiting, offer: Uint8Array): Promise<string> {
    const arena = this.#arena as ArenaClient;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new ApiError('verification_deadline')), item.waitMs * 2);
    try {
      const signal = AbortSignal.any([late.signal, this.#ending.signal]);
      return (await arena.run(item, offer, signal)).report.status;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends what runs; what waits is let go. */
  [Symbol.dispose](): void {
    this.#ending.abort(new ApiError('server_shutting_down'));
    for (const { item } of this.#queue.take(() => true)) item.release();
  }
}
