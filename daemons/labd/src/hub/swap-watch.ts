/** Sees when two machines fight over one identity: more than 3 changes of hands within 60 s (HB-10). */
import type { Clock } from '@labmesh/kit/clock';

const windowMs = 60_000;
const swapsMax = 3;

export class SwapWatch {
  readonly #clock: Clock;
  readonly #times = new Map<string, number[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one change of hands; true when there were too many. */
  isConflict(agentId: string): boolean {
    const now = this.#clock.now();
    const times = (this.#times.get(agentId) ?? []).filter((at) => now - at < windowMs);
    if (times.length >= swapsMax) return true;
    times.push(now);
    // Quiet ones are forgotten when another one speaks up: the map holds those of the last minute.
    for (const [id, old] of this.#times) if (old.every((at) => now - at >= windowMs)) this.#times.delete(id);
    this.#times.set(agentId, times);
    return false;
  }
}
