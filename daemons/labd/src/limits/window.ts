/**
 * A sliding window in six buckets: a minute is six tens of seconds, counted from the same zero for everybody.
 *
 *     bucket   n-5   n-4   n-3   n-2   n-1    n
 *            |  3  |  0  |  0  | 12  |  1  |  4 .. now |      used = 20
 *
 * Who stays within the limit in every minute is never refused; in any five sixths of a minute no more than the limit
 * passes. Refused calls do not count. Redis keeps the same six numbers, so one function reads both.
 */
export const buckets = 6;

export type Rule = {
  /** Calls a window. */
  max: number;
  windowMs: number;
};

export type Decision = {
  allowed: boolean;
  limit: number;
  /** Calls left now. */
  remaining: number;
  /** Until the whole limit is there again, ms. */
  resetMs: number;
  /** Until a call of this cost can pass, ms; 0 when it passed. */
  retryAfterMs: number;
};

/** `counts` stands oldest first; `intoMs`: how old the newest bucket is. */
export type Seen = { counts: readonly number[]; intoMs: number };

/** Reads a window for a call of `cost`. With `taken` the counts hold the call already. */
export function judge(rule: Rule, seen: Seen, cost: number, taken: boolean): Decision {
  const { counts, intoMs } = seen;
  const bucketMs = rule.windowMs / buckets;
  /** When bucket i (0 = oldest) no longer counts. */
  const leavesMs = (i: number) => Math.max(1, Math.ceil((i + 1) * bucketMs - intoMs));
  const used = counts.reduce((sum, count) => sum + count, 0);
  const allowed = taken || used + cost <= rule.max;
  const newest = counts.findLastIndex((count) => count > 0);
  let retryAfterMs = 0;
  if (!allowed) {
    let left = used;
    const first = counts.findIndex((count) => (left -= count) + cost <= rule.max);
    // A cost above the limit never passes; a whole window is all one can say.
    retryAfterMs = first < 0 ? rule.windowMs : leavesMs(first);
  }
  return {
    allowed,
    limit: rule.max,
    remaining: Math.max(0, rule.max - used),
    resetMs: newest < 0 ? 0 : leavesMs(newest),
    retryAfterMs,
  };
}

/** The six numbers of one key. */
export class Window {
  #last = 0;
  // A plain list of small numbers: a typed array a key would cost three times the memory.
  readonly #counts: number[] = [0, 0, 0, 0, 0, 0];

  /** The counts as they stand at `nowMs`, oldest first. */
  #seen(rule: Rule, nowMs: number): Seen {
    const bucketMs = rule.windowMs / buckets;
    const bucket = Math.floor(nowMs / bucketMs);
    const passed = Math.min(buckets, Math.max(0, bucket - this.#last));
    for (let i = 0; i < passed; i++) this.#counts[(bucket - i) % buckets] = 0;
    this.#last = Math.max(this.#last, bucket);
    const counts = Array.from({ length: buckets }, (_, i) => this.#counts[(this.#last + 1 + i) % buckets] ?? 0);
    return { counts, intoMs: nowMs - bucket * bucketMs };
  }

  /** `nowMs` never goes back. */
  look(rule: Rule, nowMs: number, cost: number): Decision {
    return judge(rule, this.#seen(rule, nowMs), cost, false);
  }

  take(rule: Rule, nowMs: number, cost: number): Decision {
    const found = this.look(rule, nowMs, cost);
    if (!found.allowed) return found;
    const slot = this.#last % buckets;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + cost;
    return judge(rule, this.#seen(rule, nowMs), cost, true);
  }
}
