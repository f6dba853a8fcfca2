/**
 * Audit and shadow: answers that went out are offered to the arena afterwards, a few at a time, tenants in turn. The answers
 * never wait for that. What finds no room is dropped and counted, never held back.
 *
 * An offer that is refused costs the gateway nearly what a run does, and its answer is lost. So a tenant for whom the
 * arena is busy gets no more places than it has, but for one a second that finds out whether there is room again:
 *
 *     arrivals open places ──refused──→ paused: places that are refused close, those that get a result go on
 *            ↑                            │ each second: one place more
 *            └── nothing waits any more ──┘
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

/** An arena is left alone for as long as it says, within this, ms: the place may be wanted by another tenant. */
const pauseMostMs = 1_000;
/** Of a tenant's places that were all taken, this share has to be free before more answers are kept: each place that is free
 *  alone would have every answer on its way copied, and one of those copies taken. */
const refillShare = 1 / 8;
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
/** How an offer ended. `refused`: the pause is its tenant's, else that of its place. */
type Ran = { result: string; pauseMs: number; refused: boolean };

/** Results by mode: `valid` … `unchecked`, `skipped`, or the code of an error. */
export type CountResult = (mode: string, result: string) => void;

/** What no ApiError says anything of. */
const fault = { code: 'fault', log: undefined, retryAfterS: undefined };

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
  /** Offers that wait for their verdict: at most one of each open place. */
  readonly #running = new Set<AbortController>();
  /** When a code was logged last. */
  readonly #said = new Map<string, number>();
  /** Tenants of whom the arena has as many runs as it takes. */
  readonly #paused = new Set<string>();
  /** Tenants that had no room, and have too little still. */
  readonly #full = new Set<string>();
  readonly #refill: number;
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
    this.#refill = Math.ceil(groupMax * refillShare);
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#count = parts.count;
  }

  /** Answers that wait for their turn. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Whether an answer of this tenant is to be copied: it will find room, as far as anybody can tell. */
  hasRoom(tenant: string): boolean {
    const wanted = this.#full.has(tenant) ? this.#refill : 1;
    const has = this.#mayOpen(tenant) || this.#queue.room(tenant) >= wanted;
    if (has) this.#full.delete(tenant);
    else this.#full.add(tenant);
    return has;
  }

  #mayOpen(tenant: string): boolean {
    return this.#open < openMost && !this.#paused.has(tenant);
  }

  /** Takes an answer, or drops it. */
  add(item: Waiting): void {
    if (this.#arena === undefined || this.#ending.signal.aborted) return this.#drop(item, 'unavailable');
    if (this.#mayOpen(item.tenant)) return this.#openPlace(item);
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

  #openPlace(first: Waiting): void {
    this.#open++;
    this.#queue.hold({ group: first.tenant, priority });
    // Not now: the answer's last bytes leave first.
    setImmediate(() => void this.#runAll(first));
  }

  /** One of the open places: an answer, then those that wait, one after another. */
  async #runAll(first: Waiting): Promise<void> {
    for (let item: Waiting | undefined = first; item !== undefined;) {
      const { tenant, mode } = item;
      if (this.#ending.signal.aborted) {
        item.release();
        item = this.#next(tenant, true);
        continue;
      }
      const { result, pauseMs, refused } = await this.#run(item);
      this.#count(mode, result);
      if (refused) void this.#pause(tenant, pauseMs);
      // An answer that the arena stumbles over, or a key without a budget, says nothing of the tenant's other answers.
      else if (pauseMs > 0) await this.#clock.sleep(pauseMs, this.#ending.signal).catch(() => {});
      item = this.#next(tenant, !refused);
    }
    this.#open--;
  }

  /** Hands the place of a tenant to whose turn it is; `goesOn` = it may be the same one's though that is paused. */
  #next(from: string, goesOn: boolean): Waiting | undefined {
    this.#queue.free(from, this.#clock.now());
    const next = this.#shift((tenant) => !this.#paused.has(tenant) || (goesOn && tenant === from));
    if (next !== undefined) this.#queue.hold(next);
    return next?.item;
  }

  #shift(condition: (tenant: string) => boolean): Queued | undefined {
    return this.#queue.shift(this.#clock.now(), ({ group }) => condition(group));
  }

  /** Until nothing of the tenant waits, or the end. */
  async #pause(tenant: string, pauseMs: number): Promise<void> {
    if (this.#paused.has(tenant)) return;
    this.#paused.add(tenant);
    const { signal } = this.#ending;
    do await this.#clock.sleep(pauseMs, signal).catch(() => {});
    while (!signal.aborted && this.#tryAgain(tenant));
    this.#paused.delete(tenant);
  }

  /** False when nothing of it waits. With all places taken it gets one in its turn, or at the next try. */
  #tryAgain(tenant: string): boolean {
    if (this.#open >= openMost) return true;
    const next = this.#shift((other) => other === tenant);
    if (next !== undefined) this.#openPlace(next.item);
    return next !== undefined;
  }

  async #run(item: Waiting): Promise<Ran> {
    try {
      const offer = takeOffer(item, this.#clock.wall() + item.waitMs);
      return { result: offer === undefined ? 'skipped' : await this.#send(item, offer), pauseMs: 0, refused: false };
    } catch (error) {
      const { code, log, retryAfterS } = error instanceof ApiError ? error : fault;
      if (!this.#ending.signal.aborted) this.#say(code, { mode: item.mode, code, detail: log });
      const pauseMs = Math.min(pauseMostMs, (retryAfterS ?? 0) * 1_000);
      return { result: code, pauseMs, refused: code === 'arena_busy' };
    }
  }

  #say(code: string, fields: Record<string, unknown>): void {
    const now = this.#clock.now();
    if (now - (this.#said.get(code) ?? -Infinity) < sayEveryMs) return;
    this.#said.set(code, now);
    this.#log.warn('an answer was not verified', fields);
  }

  async #send(item: Waiting, offer: Uint8Array): Promise<string> {
    const arena = this.#arena as ArenaClient;
    const ending = new AbortController();
    const timer = setTimeout(() => ending.abort(new ApiError('verification_deadline')), item.waitMs * 2);
    this.#running.add(ending);
    try {
      return await arena.outcome(item, offer, ending.signal);
    } finally {
      clearTimeout(timer);
      this.#running.delete(ending);
    }
  }

  /** Ends what runs; what waits is let go. */
  [Symbol.dispose](): void {
    const reason = new ApiError('server_shutting_down');
    this.#ending.abort(reason);
    for (const run of this.#running) run.abort(reason);
    for (const { item } of this.#queue.take(() => true)) item.release();
  }
}
