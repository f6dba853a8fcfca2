/**
 * How fast connections are let in (HB-11): up to `perSecond` at once, later ones wait in line, and whoever would wait
 * longer than `waitMsMax` is told to come back. After a restart thousands come at the same moment.
 */
import { type Clock, systemClock } from '@labmesh/kit/clock';

export class AcceptPace {
  readonly #perSecond: number;
  readonly #waitMsMax: number;
  #clock: Clock;
  /** Clock ms at which the next one may come in; in the past by at most a second. */
  #nextAt: number;

  constructor(perSecond: number, waitMsMax: number, clock: Clock = systemClock) {
    this.#perSecond = perSecond;
    this.#waitMsMax = waitMsMax;
    this.#clock = clock;
    this.#nextAt = clock.now();
  }

  /** Milliseconds to wait before coming in; undefined: too many, come back later. */
  take(): number | undefined {
    const now = this.#clock.now();
    const nextAt = Math.max(this.#nextAt, now - 1_000 / 4);
    const waitMs = Math.max(0, nextAt - now);
    if (waitMs > this.#waitMsMax) return undefined;
    this.#nextAt = nextAt + 1_000 / this.#perSecond;
    return waitMs;
  }
}
