/**
 * How fast agents may come back (AG-4, HB-11): all that this replica has to expect, over a hundred a second. They are
 * told while they are here, since a labd that is killed says no goodbye.
 */
const returnsPerS = 100;
const spreadMs = { min: 1_000, max: 30_000 };

export type ReturnsParts = {
  /** Agents that are connected here. */
  connected: () => number;
  /** Live replicas, this one among them. */
  replicas: () => number;
};

export class Returns {
  readonly #parts: ReturnsParts;
  /** Active agents of the whole fleet, when it was last counted. */
  fleet = 0;

  constructor(parts: ReturnsParts) {
    this.#parts = parts;
  }

  /** Ms over which agents spread their first try: 1 to 30 s. */
  get spreadMs(): number {
    const { connected, replicas } = this.#parts;
    // After a start nobody is here yet, and all are on their way.
    const expected = Math.max(connected(), this.fleet / Math.max(1, replicas()));
    return Math.round(Math.min(spreadMs.max, Math.max(spreadMs.min, (expected / returnsPerS) * 1_000)));
  }

  /** Seconds for a Retry-After, another one for each that is turned away. */
  retryAfterS(random: number = Math.random()): number {
    return Math.max(1, Math.ceil((random * this.spreadMs) / 1_000));
  }
}
