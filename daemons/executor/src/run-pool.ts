import { type Clock, systemClock } from '@labmesh/kit/clock';
import { FairPlaces } from '@labmesh/kit/fair/fair-places';
import { placeKeptMs, priorityAgeMs, priorityRank } from '@labmesh/wire/verification/priority';
import type { poolViewSchema, SandboxJob } from '@labmesh/wire/verification/sandbox';
import type { z } from 'zod';

/** Of how long runs keep their place, the newest counts this much. */
const newestShare = 0.2;
/** Until one has ended. */
const usualHoldMs = 1_000;
const retryMostS = 120;

/**
 * So many runs at a time, so many that wait (verification SB4). Groups, which are the arena's tenants, get equal shares of
 * the places: one that sends a thousand jobs keeps another waiting for one of them.
 */
export class RunPool {
  readonly #places: FairPlaces;
  readonly #clock: Pick<Clock, 'now'>;
  #holdMs = usualHoldMs;

  constructor(size: number, waiting: { max: number; groupMax: number }, clock: Pick<Clock, 'now'> = systemClock) {
    const bounds = { name: 'sandbox.waiting', ...waiting, ageMs: priorityAgeMs, keepMs: placeKeptMs };
    this.#places = new FairPlaces(size, bounds, clock);
    this.#clock = clock;
  }

  get view(): z.output<typeof poolViewSchema> {
    const { size: poolSize, held: inUse, waiting } = this.#places;
    return { poolSize, available: poolSize - inUse, inUse, waiting };
  }

  /** When half of those that wait have probably had their turn, whole seconds. */
  get retryAfterS(): number {
    const { size, waiting } = this.#places;
    return Math.min(retryMostS, Math.max(1, Math.ceil((waiting * this.#holdMs) / size / 2_000)));
  }

  /**
   * Resolves at the caller's turn with a place that is held until disposed.
   * @throws BoundPassed at once when too many wait, of this group or of all; the signal's reason when it aborts
   */
  async enter({ group, priority }: Pick<SandboxJob, 'group' | 'priority'>, signal: AbortSignal): Promise<Disposable> {
    const place = await this.#places.enter({ group, priority: priorityRank(priority) }, signal);
    const from = this.#clock.now();
    const leave = () => {
      this.#holdMs += newestShare * (this.#clock.now() - from - this.#holdMs);
      place[Symbol.dispose]();
    };
    return { [Symbol.dispose]: leave };
  }
}
