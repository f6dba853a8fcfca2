/**
 * The run engine: takes offers, lets so many run at once, and goes on with runs that a process before it, or another
 * replica, left behind. A run is held by a lease of 60 s, renewed every 20 s; who loses it stops at once.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { ApiError } from '@labmesh/wire/errors';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import type { ArenaEvent, RunOffer } from '@labmesh/wire/verification/arena-run';
import * as rows from '../rows/run-rows.ts';
import { driveRun } from './drive-run.ts';
import { FinishedEvents } from './finished-events.ts';
import { LiveRun, runsPrincipal } from './live-run.ts';
import { RunFeeds } from './news/run-feeds.ts';
import { asFault, errorEvent, RunFault } from './run-fault.ts';
import type { RunParts } from './run-parts.ts';
import { RunQueue, type Waiting } from './run-queue.ts';
import { stillStanding, storedResult } from './stored-result.ts';
import { takeOffer } from './take-offer.ts';

const tickMs = 1_000;
const renewMs = 20_000;
const adoptMs = 5_000;
/** Between looks where there is nothing to look after, and no other process whose runs could be left behind. */
const idleMs = 60_000;
/** Orphans taken in one go. */
const adoptMost = 16;
const pollMs = 500;
/** How long a run that nobody listens to any more goes on: a gateway may be about to ask again. */
const lingerMs = 2_000;

export type Runs = AsyncDisposable & {
  /**
   * Runs an offer, or joins the run that this tenant's `requestId` began. The last event is a result or an error. When
   * the signal ends it for the last one who listens, an intercepted run is given up.
   */
  submit: (offer: RunOffer, signal: AbortSignal) => AsyncIterable<ArenaEvent>;
  /** Gives up a run of this tenant that is under way here; false when there is none. */
  cancel: (tenant: string, runId: string) => boolean;
  /** Takes over runs that nobody holds now, without waiting for the next look. @returns how many */
  adopt: () => Promise<number>;
  stats: () => { queued: number; running: number };
  /** What happens in all of them, for who listens. */
  readonly news: RunFeeds['news'];
};

type Entry = Waiting & {
  /** Without the offer, which may be large: it is read when the run begins. */
  run: Pick<rows.StoredRun, 'tenant' | 'mode' | 'deadlineAt'>;
  feed: ReturnType<RunFeeds['open']>;
  ended: AbortController;
  /** Since nobody listens; undefined while somebody does, or nobody ever did. */
  deserted: number | undefined;
  live: LiveRun | undefined;
  cancelled: boolean;
};

const shuttingDown = () => new RunFault('verification_unavailable', 'the arena is shutting down');

class RunHouse implements Runs {
  readonly #parts: RunParts;
  readonly #owner: string;
  readonly #queue: RunQueue<Entry>;
  /** Queued and running, by id. */
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #finished = new FinishedEvents();
  readonly #feeds = new RunFeeds();
  readonly #closing = new AbortController();
  /** Ends the pause between looks. */
  #wake = new AbortController();
  /** Nothing is here, and the last look found nothing left behind. */
  #quiet = false;
  readonly #ticking: Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(parts: RunParts) {
    this.#parts = parts;
    // An SQLite store has one process: whoever held a run there before is gone.
    this.#owner = parts.owner ?? (parts.store.engine === 'sqlite' ? 'local' : uuidv7());
    const { queueRuns, atOnce } = parts.settings.limits;
    this.#queue = new RunQueue(queueRuns, atOnce);
    this.#ticking = this.#tick();
  }

  get news(): RunFeeds['news'] {
    return this.#feeds.news;
  }

  stats(): { queued: number; running: number } {
    return { queued: this.#queue.size, running: this.#running.size };
  }

  async *submit(offer: RunOffer, signal: AbortSignal): AsyncGenerator<ArenaEvent, void> {
    let id: string | null = null;
    try {
      if (this.#closing.signal.aborted) throw shuttingDown();
      const { run, added, priority } = await takeOffer(this.#parts, this.#owner, offer);
      id = run.id;
      const position = added ? this.#queue.size : 0;
      if (added) this.#enter(run);
      yield { event: 'accepted', runId: run.id, cached: !added, position, priority };
      yield* this.#follow(run.id, signal);
    } catch (error) {
      if (signal.aborted) return;
      const fault = this.#faultOf(error);
      if (fault.code === 'internal_error') this.#parts.log.error('an offer could not be taken', { error });
      yield errorEvent(fault, id);
    }
  }

  #faultOf(error: unknown): RunFault {
    if (this.#closing.signal.aborted) return shuttingDown();
    if (error instanceof BoundPassed) return new RunFault('arena_busy');
    // The database is away, or too much is written at once: the same offer may come again.
    return error instanceof FleetError ? new RunFault('verification_unavailable') : asFault(error);
  }

  cancel(tenant: string, runId: string): boolean {
    const entry = this.#entries.get(runId);
    if (entry === undefined || entry.run.tenant !== tenant) return false;
    this.#giveUp(entry);
    return true;
  }

  /** Puts a run that this process holds into the line. */
  #enter({ id, priority, tenant, mode, deadlineAt }: rows.StoredRun): void {
    const { clock } = this.#parts;
    const feed = this.#feeds.open({ id, tenant, mode }, (readers) => {
      entry.deserted = readers === 0 ? clock.now() : undefined;
    });
    const ended = new AbortController();
    const place = { id, group: tenant, priority, since: clock.now(), run: { tenant, mode, deadlineAt } };
    const entry: Entry = { ...place, feed, ended, deserted: undefined, live: undefined, cancelled: false };
    this.#queue.push(entry);
    this.#entries.set(id, entry);
    this.#quiet = false;
    this.#wake.abort();
    this.#pump();
  }

  /** Events of a run wherever it is: here, ended, or at another replica. */
  async *#follow(id: string, signal: AbortSignal): AsyncGenerator<ArenaEvent, void> {
    const { store, clock } = this.#parts;
    while (!signal.aborted) {
      const feed = this.#entries.get(id)?.feed;
      if (feed !== undefined) return yield* feed.read(signal);
      const kept = this.#finished.get(id, clock.now());
      if (kept !== undefined) return yield await stillStanding(store, kept);
      const run = await rows.readRun(runsPrincipal, store, id);
      if (run === undefined) throw new RunFault('verification_unavailable');
      if (run.finishedAt !== null) return yield await stillStanding(store, await storedResult(store, run));
      await clock.sleep(pollMs, AbortSignal.any([signal, this.#closing.signal]));
    }
  }

  /** Lets in as many as may run at once, of each tenant as many as its share is. */
  #pump(): void {
    const { clock, settings } = this.#parts;
    while (this.#running.size < settings.limits.atOnce && !this.#closing.signal.aborted) {
      const next = this.#queue.shift(clock.now());
      if (next === undefined) return;
      this.#start(next);
    }
  }

  #start(entry: Entry): void {
    this.#queue.hold(entry);
    const run = this.#drive(entry).finally(() => {
      this.#queue.free(entry.group, this.#parts.clock.now());
      this.#running.delete(entry.id);
      this.#entries.delete(entry.id);
      this.#pump();
    });
    this.#running.set(entry.id, run);
  }

  async #drive(entry: Entry): Promise<void> {
    const { id, feed, ended } = entry;
    const { clock, log, store } = this.#parts;
    const over = new AbortController();
    try {
      const run = await rows.readRun(runsPrincipal, store, id);
      if (run === undefined || run.offer === null) throw new rows.LeaseLost();
      const { offer, ...row } = run;
      const live = new LiveRun({ parts: this.#parts, owner: this.#owner, run: row, offer, feed, ended: ended.signal });
      entry.live = live;
      if (entry.cancelled) live.halt('user_requested');
      const wait = Math.max(0, run.deadlineAt - clock.wall());
      if (wait === 0) live.halt('timeout');
      void clock.sleep(wait, over.signal).then(
        () => live.halt('timeout'),
        () => {},
      );
      await driveRun(live);
      if (feed.last !== undefined) this.#finished.put(id, feed.last, clock.now());
    } catch (error) {
      if (!ended.signal.aborted) log.warn('a run was let go of; it goes on later', { run: id, error });
      feed.push(errorEvent(new RunFault('verification_unavailable', 'the run goes on later; ask again'), id));
    } finally {
      over.abort();
    }
  }

  #giveUp(entry: Entry): void {
    entry.cancelled = true;
    entry.live?.halt('user_requested');
    // What still waits is begun, only to be ended in order.
    for (const waiting of this.#queue.take(({ id }) => id === entry.id)) this.#start(waiting);
  }

  async adopt(): Promise<number> {
    const { store } = this.#parts;
    let adopted = 0;
    for (const id of await rows.orphanedRuns(runsPrincipal, store, this.#owner, adoptMost + this.#entries.size)) {
      if (this.#closing.signal.aborted) return adopted;
      // A run that this process let go of is still in its books until its last write has failed.
      if (this.#entries.has(id) || !(await rows.claimRun(runsPrincipal, store, id, this.#owner))) continue;
      const run = await rows.readRun(runsPrincipal, store, id);
      if (run === undefined) continue;
      this.#enter(run);
      adopted += 1;
    }
    return adopted;
  }

  /** Runs whose lease another took are dropped; the row is the other's now. */
  async #renew(): Promise<void> {
    const ids = [...this.#entries.keys()];
    const held = await rows.renewRuns(runsPrincipal, this.#parts.store, ids, this.#owner);
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (held.has(id) || entry === undefined || entry.feed.ended) continue;
      entry.ended.abort(new rows.LeaseLost());
      for (const waiting of this.#queue.take((one) => one.id === id)) this.#start(waiting);
    }
  }

  #desert(now: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.run.mode !== 'intercept' || entry.deserted === undefined || entry.cancelled) continue;
      if (now - entry.deserted >= lingerMs) this.#giveUp(entry);
    }
  }

  /** Looks after leases, orphans, deserted and overdue runs until the end. */
  async #tick(): Promise<void> {
    const { clock, log } = this.#parts;
    let renewAt = clock.now() + renewMs;
    let adoptAt = clock.now();
    while (!this.#closing.signal.aborted) {
      const now = clock.now();
      try {
        this.#desert(now);
        for (const late of this.#queue.take(({ run }) => run.deadlineAt <= clock.wall())) this.#start(late);
        if (now >= renewAt) {
          renewAt = now + renewMs;
          await this.#renew();
        }
        if (now >= adoptAt) {
          adoptAt = now + adoptMs;
          this.#quiet = this.#entries.size === 0;
          if ((await this.adopt()) > 0) this.#quiet = false;
        }
        this.#finished.prune(now);
      } catch (error) {
        this.#quiet = false;
        if (!(error instanceof BoundPassed)) log.warn('runs could not be looked after', { error });
      }
      await this.#pause();
    }
  }

  /** A second, or until there is something to look after: an idle process does not wake up for nothing. */
  async #pause(): Promise<void> {
    const { clock, store } = this.#parts;
    this.#wake = new AbortController();
    const ended = AbortSignal.any([this.#wake.signal, this.#closing.signal]);
    const idle = store.engine === 'sqlite' ? idleMs : adoptMs;
    await clock.sleep(this.#quiet ? idle : tickMs, ended).catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Lets go of everything: what was not finished goes on at the next start, or at another replica. */
  async #close(): Promise<void> {
    this.#closing.abort(new ApiError('draining'));
    const waiting = this.#queue.take(() => true);
    for (const { id, feed } of waiting) {
      feed.push(errorEvent(shuttingDown(), id));
      this.#entries.delete(id);
    }
    for (const { ended } of this.#entries.values()) ended.abort(new ApiError('draining'));
    await Promise.allSettled([this.#ticking, ...this.#running.values()]);
    await rows.releaseRuns(runsPrincipal, this.#parts.store, this.#owner).catch((error: unknown) => {
      this.#parts.log.warn('leases of runs could not be given back; they run out in a minute', { error });
    });
  }
}

/** Opens the engine; it goes on with what was left behind, and ends when disposed. The store must outlive it. */
export const openRuns = (parts: RunParts): Runs => new RunHouse(parts);
