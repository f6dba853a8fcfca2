import type { Clock } from '@labmesh/kit/clock';

const keptMs = 60_000;
const keptMax = 10_000;

/** Calls above a limit are one row a minute and caller: a flood must not write the log full. */
export class FirstRefusals {
  readonly #clock: Clock;
  readonly #at = new Map<string, number>();
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isFirst(key: string): boolean {
    const now = this.#clock.now();
    const last = this.#at.get(key);
    if (last !== undefined && now - last < keptMs) return false;
    if (this.#at.size >= keptMax) this.#at.clear();
    this.#at.set(key, now);
    return true;
  }
}
