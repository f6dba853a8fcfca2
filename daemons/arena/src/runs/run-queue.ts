/** Runs that wait for their turn: the highest priority first, which grows by one for each 30 s waited (RP8). */
import { BoundPassed } from '@labmesh/kit/bounded-queue';

const ageMs = 30_000;

export const priorities = { low: 1, normal: 2, high: 3, critical: 4 } as const;

export type Waiting = {
  id: string;
  priority: number;
  /** Clock ms at which it came. */
  since: number;
};

const weight = ({ priority, since }: Waiting, now: number) => priority + Math.floor((now - since) / ageMs);

export class RunQueue<T extends Waiting> {
  readonly #most: number;
  /** By arrival, so that the first of equals is the oldest. */
  #waiting: T[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** @throws BoundPassed when as many wait as may. */
  push(entry: T): void {
    if (this.#waiting.length >= this.#most) throw new BoundPassed('arena.queue_max', this.#most);
    this.#waiting.push(entry);
  }

  /** Takes the next to run. */
  shift(now: number): T | undefined {
    const next = this.#waiting.reduce<T | undefined>(
      (best, entry) => (best !== undefined && weight(best, now) >= weight(entry, now) ? best : entry),
      undefined,
    );
    if (next !== undefined) this.#waiting = this.#waiting.filter((entry) => entry !== next);
    return next;
  }

  /** Takes out those that meet the condition. */
  take(condition: (entry: T) => boolean): T[] {
    const taken = this.#waiting.filter(condition);
    if (taken.length > 0) this.#waiting = this.#waiting.filter((entry) => !condition(entry));
    return taken;
  }
}
