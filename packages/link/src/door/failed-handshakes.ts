/**
 * What failed handshakes leave behind: some KB of objects each, dead at once, which the collector by its own pace lets pile
 * up to tens of MiB in a heap of labd's size. A flood of half-open connections must not grow labd, so they are collected
 * by their number; the flood pays for it, and never with more than a part of the time.
 */
const collectEvery = 250;
/** A collection is followed by so many times its length of other work. */
const restFactor = 8;

export class FailedHandshakes {
  readonly #collect: () => void;
  readonly #now: () => number;
  #waiting = 0;
  #restUntil = -Infinity;

  /** `now` in ms. */
  constructor(collect: () => void = () => Bun.gc(true), now: () => number = () => performance.now()) {
    this.#collect = collect;
    this.#now = now;
  }

  /** One more has failed. */
  add(): void {
    const from = this.#now();
    if (++this.#waiting < collectEvery || from < this.#restUntil) return;
    this.#waiting = 0;
    this.#collect();
    const to = this.#now();
    this.#restUntil = to + restFactor * (to - from);
  }
}
