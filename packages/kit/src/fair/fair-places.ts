import type { Clock } from '../clock.ts';
import { type FairBounds, type FairEntry, FairQueue } from './fair-queue.ts';

/** Whose work it is, and how urgent. */
export type Turn = Pick<FairEntry, 'group' | 'priority'>;

type Waiter = FairEntry & { admit: () => void };

/**
 * So many places, and a fair line before them. Whoever is in the line while a place is free waits since that one is kept
 * open for another group: it holds some already, and is looked at again when one of those ends.
 */
export class FairPlaces {
  readonly size: number;
  readonly #queue: FairQueue<Waiter>;
  readonly #clock: Pick<Clock, 'now'>;
  #held = 0;

  constructor(size: number, bounds: Omit<FairBounds, 'places'>, clock: Pick<Clock, 'now'>) {
    this.size = size;
    this.#queue = new FairQueue({ ...bounds, places: size });
    this.#clock = clock;
  }

  get held(): number {
    return this.#held;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Resolves at the caller's turn with a place that is held until disposed.
   * @throws BoundPassed at once when too many wait, of this group or of all; the signal's reason when it aborts
   */
  async enter({ group, priority }: Turn, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    const now = this.#clock.now();
    this.#admit(now);
    if (this.#held < this.size && this.#queue.isOpenTo({ group, priority }, now)) this.#hold({ group, priority });
    else await this.#wait({ group, priority }, signal);
    let held = true;
    const leave = () => {
      if (!held) return;
      held = false;
      this.#leave(group);
    };
    if (signal.aborted) {
      leave();
      throw signal.reason;
    }
    return { [Symbol.dispose]: leave };
  }

  #wait({ group, priority }: Turn, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const left = () => {
        this.#queue.remove(waiter);
        reject(signal.reason as Error);
      };
      const admit = () => {
        signal.removeEventListener('abort', left);
        resolve();
      };
      const waiter = { group, priority, since: this.#clock.now(), admit };
      this.#queue.push(waiter);
      signal.addEventListener('abort', left, { once: true });
    });
  }

  #hold(turn: Turn): void {
    this.#held++;
    this.#queue.hold(turn);
  }

  #leave(group: string): void {
    const now = this.#clock.now();
    this.#held--;
    this.#queue.free(group, now);
    this.#admit(now);
  }

  /** Lets in whoever may be, in the same step in which a place comes free. */
  #admit(now: number): void {
    while (this.#held < this.size) {
      const next = this.#queue.shift(now);
      if (next === undefined) return;
      this.#hold(next);
      next.admit();
    }
  }
}
