/**
 * Circuit breaker of one endpoint, fed by traffic (never by probes: a /health that answers says nothing about
 * generation). Time comes in with each call.
 *
 *     closed ──5 failures in a row──▶ open ──30 s──▶ (admits one) ──begin──▶ trial ──success──▶ closed
 *                                      ▲                                       │
 *                                      └──────────── failure: ×2 up to 300 s ──┘
 */
export type BreakerRules = {
  threshold: number;
  /** A failure older than this is forgotten. */
  windowMs: number;
  openMs: number;
  openMsMax: number;
  /** A trial that nobody reported on is given up after this: a lost report must not close an endpoint for good. */
  trialMsMax: number;
};

export const breakerRules: BreakerRules = {
  threshold: 5,
  windowMs: 120_000,
  openMs: 30_000,
  openMsMax: 300_000,
  trialMsMax: 300_000,
};

type State =
  | { type: 'closed'; failures: readonly number[] }
  | { type: 'open'; until: number; openMs: number }
  | { type: 'trial'; since: number; openMs: number };

export class Breaker {
  readonly #rules: BreakerRules;
  #state: State = { type: 'closed', failures: [] };

  constructor(rules: BreakerRules = breakerRules) {
    this.#rules = rules;
  }

  get type(): State['type'] {
    return this.#state.type;
  }

  /** Closed, and no failure remembered. */
  get isClean(): boolean {
    return this.#state.type === 'closed' && this.#state.failures.length === 0;
  }

  /** When an open breaker admits its trial; undefined when it is not open. */
  get opensUntil(): number | undefined {
    return this.#state.type === 'open' ? this.#state.until : undefined;
  }

  /** Whether a request may go out now. Asking changes nothing. */
  admits(now: number): boolean {
    const state = this.#state;
    switch (state.type) {
      case 'closed':
        return true;
      case 'open':
        return now >= state.until;
      case 'trial':
        return now - state.since >= this.#rules.trialMsMax;
    }
  }

  /** A request goes out: after an open time it is the one trial. */
  begin(now: number): void {
    const state = this.#state;
    if (state.type !== 'closed' && this.admits(now)) {
      this.#state = { type: 'trial', since: now, openMs: state.openMs };
    }
  }

  success(_now: number): void {
    // A success of a request from before the opening closes too: the endpoint does answer.
    this.#state = { type: 'closed', failures: [] };
  }

  failure(now: number): void {
    const state = this.#state;
    if (state.type === 'trial') return this.#open(now, Math.min(state.openMs * 2, this.#rules.openMsMax));
    if (state.type === 'open') {
      // Past its time but without `begin`: the caller's request was the trial all the same.
      if (now >= state.until) this.#open(now, Math.min(state.openMs * 2, this.#rules.openMsMax));
      return;
    }
    const failures = [...state.failures.filter((at) => now - at <= this.#rules.windowMs), now];
    if (failures.length >= this.#rules.threshold) return this.#open(now, this.#rules.openMs);
    this.#state = { type: 'closed', failures };
  }

  /** The request ended without a verdict (the client left, a 4xx): a trial is free again. */
  abandon(now: number): void {
    if (this.#state.type === 'trial') this.#state = { type: 'open', until: now, openMs: this.#state.openMs };
  }

  #open(now: number, openMs: number): void {
    this.#state = { type: 'open', until: now + openMs, openMs };
  }
}
