/** A few at once, a bounded line behind them, and past it RATE_LIMITED: for work that would only hinder itself. */
import { WaitingLine } from '@labmesh/kit/bounded-queue';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

export type TurnsOptions = { name: string; atOnce: number; waitingMax: number; hint?: string; retryAfterMs?: number };

export class Turns {
  readonly #options: TurnsOptions;
  readonly #line: WaitingLine;
  #running = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#line = new WaitingLine(options.name, options.waitingMax);
  }

  /** At work now. */
  get running(): number {
    return this.#running;
  }

  /** Does the work at its turn. @throws FleetError RATE_LIMITED when the line is full; what the work throws. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#options.atOnce) this.#running++;
    else await this.#wait();
    try {
      return await work();
    } finally {
      // The next in line takes over this place, so the count stays.
      if (!this.#line.admit()) this.#running--;
    }
  }

  async #wait(): Promise<void> {
    const { hint, retryAfterMs } = this.#options;
    try {
      await this.#line.wait();
    } catch (cause) {
      const more = { ...(hint !== undefined && { hint }), ...(retryAfterMs !== undefined && { retryAfterMs }) };
      throw new FleetError('RATE_LIMITED', { cause, ...more });
    }
  }
}
