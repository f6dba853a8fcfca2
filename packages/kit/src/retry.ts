/** Backoff as values: the generator gives the next wait, the caller keeps the loop and decides what is worth a retry. */
export type BackoffOptions = {
  firstMs: number;
  /** The wait grows up to here, before jitter. */
  capMs: number;
  /** Growth from wait to wait. Default 2. */
  factor?: number;
  /** Share of the wait by which it may be shorter or longer, 0–1. Default 0.5. */
  jitter?: number;
  /** How many waits are given; then the generator is done. Default: endless. */
  waitsMax?: number;
  /** A number in [0, 1). Injected in tests. */
  random?: () => number;
};

/**
 * Waits in milliseconds: `firstMs`, doubling up to `capMs`, each spread by ± `jitter` so that many clients of one
 * server do not come back together. Start again from the first wait by making a new one.
 *
 *     for (const waitMs of backoff({ firstMs: 1_000, capMs: 30_000 })) { …; await clock.sleep(waitMs, signal); }
 */
export function* backoff(options: BackoffOptions): Generator<number, undefined> {
  const { firstMs, capMs, factor = 2, jitter = 0.5, waitsMax = Infinity, random = Math.random } = options;
  let wait = firstMs;
  for (let given = 0; given < waitsMax; given++) {
    const base = Math.min(wait, capMs);
    yield Math.max(0, Math.round(base * (1 + jitter * (2 * random() - 1))));
    // Held at the cap, so that the product never grows to Infinity.
    wait = base * factor;
  }
  return undefined;
}
