/**
 * The time that all replicas share (RP-1): the clock of their database. What one replica wrote as "seen now" is judged by
 * another on another machine, and a clock that is wrong by a minute there must not make the living dead, nor what has
 * expired valid. With SQLite there is one machine and its own clock.
 *
 *     asked at t1 ── database says T ── answer at t2      the truth at t2 lies between T and T + (t2 - t1)
 *
 * The own idea of it is corrected only when it lies outside, and then as little as needed: small waits on the way move
 * nothing. In between it runs by the monotonic clock, so that a jump of the machine's own clock does nothing here.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { sharedNow } from '@labmesh/store/lease';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';

const asker = system('shared-clock');
const askEveryMs = 2_000;
/** The operator is told of a machine whose own clock is so far off. */
const offMs = 5_000;

export type SharedClockParts = { store: Store; clock: Clock; log: Logger };

/** Measured before it is given; the own clock where the store has no other. @throws FleetError STORE_UNAVAILABLE. */
export async function openSharedClock(parts: SharedClockParts, stack: AsyncDisposableStack): Promise<Clock> {
  if (parts.store.engine === 'sqlite') return parts.clock;
  const shared = stack.use(new SharedClock(parts));
  await shared.measure();
  return shared;
}

class SharedClock implements Clock, AsyncDisposable {
  readonly #parts: SharedClockParts;
  readonly #ended = new AbortController();
  readonly #asking: Promise<void>;
  /** What is to be added to the monotonic clock. */
  #base: number;
  #isOff = false;

  constructor(parts: SharedClockParts) {
    this.#parts = parts;
    this.#base = parts.clock.wall() - parts.clock.now();
    this.#asking = this.#askOn();
  }

  now(): number {
    return this.#parts.clock.now();
  }
  wall(): number {
    return Math.floor(this.#base + this.#parts.clock.now());
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#parts.clock.sleep(ms, signal);
  }

  /** Asks the database once. @throws FleetError STORE_UNAVAILABLE. */
  async measure(): Promise<void> {
    const { store, clock } = this.#parts;
    const askedAt = clock.now();
    const { told } = await store.read(asker, (db) =>
      db.selectNoFrom(sharedNow(store).as('told')).executeTakeFirstOrThrow(),
    );
    const at = clock.now();
    this.#base = Math.min(Math.max(this.#base, told - at), told - askedAt);
    this.#tell();
  }

  #tell(): void {
    const { clock, log } = this.#parts;
    const aheadMs = clock.wall() - this.wall();
    const isOff = Math.abs(aheadMs) > offMs;
    if (isOff && !this.#isOff)
      log.warn('this machine’s clock is not that of the database, which counts; mend it', { aheadMs });
    this.#isOff = isOff;
  }

  async #askOn(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ended;
    for (;;) {
      const isOver = await clock.sleep(askEveryMs, signal).then(
        () => false,
        () => true,
      );
      if (isOver) return;
      // While it is away, the monotonic clock is good enough.
      await this.measure().catch((error: unknown) => log.debug('the database’s clock was not read', { error }));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('shared clock closed'));
    await this.#asking;
  }
}
