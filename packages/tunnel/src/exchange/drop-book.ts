/** Counts of what was refused, by peer and reason; the log hears of a reason at once and then every 10 minutes (V10). */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { DropReason } from '@labmesh/rosenpass/effects';

const logEveryMs = 600_000;
/** Of no peer that is known. */
const unknown = 'unknown';

type Line = { count: number; loggedAt: number; loggedCount: number };

export class DropBook {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By reason, of peers that are gone as well. */
  readonly #totals = new Map<DropReason, number>();
  /** By peer, then reason. Peers are those that were added, so the book is bounded by them. */
  readonly #lines = new Map<string, Map<DropReason, Line>>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `detail` is for the operator and holds no secret. */
  add(peer: string | undefined, reason: DropReason, detail?: string): void {
    const key = peer ?? unknown;
    const reasons = this.#lines.get(key) ?? new Map<DropReason, Line>();
    this.#lines.set(key, reasons);
    const line = reasons.get(reason) ?? { count: 0, loggedAt: -Infinity, loggedCount: 0 };
    reasons.set(reason, line);
    line.count++;
    this.#totals.set(reason, (this.#totals.get(reason) ?? 0) + 1);
    const now = this.#clock.now();
    if (now - line.loggedAt < logEveryMs) return;
    const dropped = line.count - line.loggedCount;
    this.#log.warn('datagrams of the key exchange were dropped', { peer: key, reason, dropped, detail });
    line.loggedAt = now;
    line.loggedCount = line.count;
  }

  /** Counts by reason, of a peer or of the unknown. */
  counts(peer?: string): Record<string, number> {
    return Object.fromEntries(
      [...(this.#lines.get(peer ?? unknown) ?? [])].map(([reason, { count }]) => [reason, count]),
    );
  }

  /** Of all, since the start. */
  totals(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  forget(peer: string): void {
    this.#lines.delete(peer);
  }
}
