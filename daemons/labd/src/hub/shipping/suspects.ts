/**
 * Servers whose lines may be why the collector fails: a text that it breaks or hangs on must cost its sender time, not
 * everybody. Each is sent alone and waits for itself until one of its batches gets through.
 */
import type { Clock } from '@labmesh/kit/clock';
import { backoff } from '@labmesh/kit/retry';

type Suspect = { waits: ReturnType<typeof backoff>; until: number };

/** More are not told apart: the oldest is as good as any other again. */
export const suspectsMax = 4_096;
/** Nothing got through for so long: it was the collector, and none of them. */
const outageMs = 30_000;

export class Suspects {
  readonly #clock: Clock;
  readonly #range: Parameters<typeof backoff>[0] & { capMs: number };
  readonly #suspects = new Map<string, Suspect>();
  /** Of the first failure since anything got through. */
  #failedAt: number | undefined;

  /** `range`: how long one waits after its first failure, and at most. */
  constructor(clock: Clock, range: { firstMs: number; capMs: number }) {
    this.#clock = clock;
    this.#range = range;
  }

  has(serverId: string): boolean {
    return this.#suspects.has(serverId);
  }
  /** What is left of its wait, ms; undefined: it may send. */
  restMs(serverId: string): number | undefined {
    const restMs = (this.#suspects.get(serverId)?.until ?? 0) - this.#clock.now();
    return restMs > 0 ? Math.ceil(restMs) : undefined;
  }

  /** A request with lines of these failed. Gives how long they wait, ms, at least `leastMs`. */
  failed(serverIds: Iterable<string>, leastMs: number): number {
    this.#failedAt ??= this.#clock.now();
    let longestMs = 0;
    for (const serverId of serverIds) {
      const waits = this.#suspects.get(serverId)?.waits ?? backoff(this.#range);
      const waitMs = Math.max(waits.next().value ?? this.#range.capMs, leastMs);
      this.#suspects.delete(serverId);
      this.#suspects.set(serverId, { waits, until: this.#clock.now() + waitMs });
      longestMs = Math.max(longestMs, waitMs);
    }
    for (const oldest of this.#suspects.keys()) {
      if (this.#suspects.size <= suspectsMax) break;
      this.#suspects.delete(oldest);
    }
    return longestMs;
  }

  /** A request with lines of these got through. */
  passed(serverIds: Iterable<string>): void {
    if (this.#failedAt !== undefined && this.#clock.now() - this.#failedAt >= outageMs) this.#suspects.clear();
    this.#failedAt = undefined;
    for (const serverId of serverIds) this.#suspects.delete(serverId);
  }
}
