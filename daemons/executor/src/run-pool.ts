import { WaitingLine } from '@labmesh/kit/bounded-queue';
import type { z } from 'zod';
import type { poolViewSchema } from '@labmesh/wire/verification/sandbox';

/**
 * So many runs at a time, so many that wait, in order (verification SB4). A place is handed over and never counted
 * twice: whoever leaves gives it to the first that waits, and only without one is it free again.
 */
export class RunPool {
  readonly size: number;
  readonly #line: WaitingLine;
  #inUse = 0;

  constructor(size: number, waitingMax: number) {
    this.size = size;
    this.#line = new WaitingLine('sandbox.waiting', waitingMax);
  }

  get view(): z.output<typeof poolViewSchema> {
    const inUse = this.#inUse;
    return { poolSize: this.size, available: this.size - inUse, inUse, waiting: this.#line.size };
  }

  /**
   * Resolves at the caller's turn with a place that is held until disposed.
   * @throws BoundPassed at once when too many wait, the signal's reason when it aborts
   */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    // Nobody waits while a place is free: leave() hands it on in the same step.
    if (this.#inUse < this.size) this.#inUse++;
    else await this.#line.wait(signal);
    let held = true;
    const leave = () => {
      if (!held) return;
      held = false;
      if (!this.#line.admit()) this.#inUse--;
    };
    if (signal.aborted) {
      leave();
      throw signal.reason;
    }
    return { [Symbol.dispose]: leave };
  }
}
