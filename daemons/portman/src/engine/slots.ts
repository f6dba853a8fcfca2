import { ApiError } from '@labmesh/wire/errors';
import type { Clock } from '@labmesh/kit/clock';

type Waiter<T> = { take: (slot: T) => void; leave: (reason: Error) => void };

/** Weight of the newest request in the mean service time. */
const newestShare = 0.2;
const retryAfterMaxS = 60;

/**
 * Hands out slots: `slots.length` requests run, at most `queueMax` wait in order of arrival, one more is refused with
 * ApiError queue_full, whose Retry-After comes from measured service times. A waiter leaves when its client goes.
 */
export class Slots<T> {
  #free: T[];
  #count: number;
  #queueMax: number;
  #clock: Clock;
  #waiters: Waiter<T>[] = [];
  #serviceMs = 1000;

  constructor(slots: readonly T[], queueMax: number, clock: Clock) {
    this.#free = [...slots];
    this.#count = slots.length;
    this.#queueMax = queueMax;
    this.#clock = clock;
  }

  get running(): number {
    return this.#count - this.#free.length;
  }
  get waiting(): number {
    return this.#waiters.length;
  }

  /**
   * Waits for a slot. Throws at once when the queue is full, before anything is sent to the client; the promise rejects
   * with the signal's reason. The slot comes back by `using`.
   */
  acquire(signal: AbortSignal): Promise<{ slot: T } & Disposable> {
    signal.throwIfAborted();
    const free = this.#free.pop();
    if (free !== undefined) return Promise.resolve(this.#lease(free));
    if (this.#waiters.length >= this.#queueMax) {
      throw new ApiError('queue_full', {
        message: 'the built-in engine is busy and its queue is full',
        retryAfterS: this.#retryAfterS(),
      });
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => waiter.leave(signal.reason as Error);
      const waiter: Waiter<T> = {
        take: (slot) => {
          signal.removeEventListener('abort', onAbort);
          resolve(this.#lease(slot));
        },
        leave: (reason) => {
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          reject(reason);
        },
      };
      this.#waiters.push(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #lease(slot: T): { slot: T } & Disposable {
    const since = this.#clock.now();
    return {
      slot,
      [Symbol.dispose]: () => {
        this.#serviceMs += newestShare * (this.#clock.now() - since - this.#serviceMs);
        const next = this.#waiters.shift();
        if (next) next.take(slot);
        else this.#free.push(slot);
      },
    };
  }

  #retryAfterS(): number {
    const waitMs = (this.#serviceMs * (this.#waiters.length + 1)) / this.#count;
    return Math.min(retryAfterMaxS, Math.max(1, Math.ceil(waitMs / 1000)));
  }
}
