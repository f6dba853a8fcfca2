/** Sees when two machines fight over one identity: more than 3 changes of hands within 60 s (HB-10). */
import type { Clock } from '@labmesh/kit/clock';

const windowMs = 60_000;
const swapsMax = 3;

export class SwapWatch {
  readonly #clock: Clock;
  readonly #swaps = new Map<string, { at: number; from: string }[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts that somebody takes an agent's place from instance `from`. When that was too often: who was there first. */
  conflict(agentId: string, from: string): string | undefined {
    const now = this.#clock.now();
    const swaps = (this.#swaps.get(agentId) ?? []).filter(({ at }) => now - at < windowMs);
    if (swaps.length >= swapsMax) return swaps[0]?.from;
    swaps.push({ at: now, from });
    // Quiet ones are forgotten when another one speaks up: the map holds those of the last minute.
    for (const [id, old] of this.#swaps) if (old.every(({ at }) => now - at >= windowMs)) this.#swaps.delete(id);
    this.#swaps.set(agentId, swaps);
    return undefined;
  }
}
