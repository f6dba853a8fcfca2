/** Last events of runs that ended lately, so that a gateway that lost its connection hears the result all the same. */
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';

export const keptMs = 600_000;
export const keptMost = 256;
/** Characters of all together. */
export const keptCharsMost = 32 * 1024 * 1024;

type Kept = { event: ArenaEvent; until: number; chars: number };

export class FinishedEvents {
  /** Oldest first. */
  readonly #kept = new Map<string, Kept>();
  #chars = 0;

  get(id: string, now: number): ArenaEvent | undefined {
    this.prune(now);
    return this.#kept.get(id)?.event;
  }

  put(id: string, event: ArenaEvent, now: number): void {
    const chars = JSON.stringify(event).length;
    this.#drop(id);
    if (chars > keptCharsMost) return;
    this.#kept.set(id, { event, until: now + keptMs, chars });
    this.#chars += chars;
    this.prune(now);
  }

  /** Forgets what is too old, and the oldest while there is too much. */
  prune(now: number): void {
    for (const [id, { until }] of this.#kept) {
      if (until > now && this.#kept.size <= keptMost && this.#chars <= keptCharsMost) return;
      this.#drop(id);
    }
  }

  #drop(id: string): void {
    this.#chars -= this.#kept.get(id)?.chars ?? 0;
    this.#kept.delete(id);
  }
}
