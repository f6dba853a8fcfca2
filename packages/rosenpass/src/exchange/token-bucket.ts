/** How often something may happen: `burst` at once, then `perSecond`. */
export type Rate = { perSecond: number; burst: number };

export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at = 0;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  /** Takes a token if there is one. `now` in monotonic ms. */
  take(now: number): boolean {
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, now - this.#at) * perSecond) / 1000);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  giveBack(): void {
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + 1);
  }
}

/** A bucket for each source; of more than `max`, those not seen for longest are forgotten. */
export class SourceBuckets {
  readonly #rate: Rate;
  readonly #max: number;
  /** Longest unseen first. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate, max: number) {
    this.#rate = rate;
    this.#max = max;
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(source: string, now: number): boolean {
    const bucket = this.#buckets.get(source) ?? new TokenBucket(this.#rate);
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    if (this.#buckets.size > this.#max) {
      const [longestUnseen = ''] = this.#buckets.keys();
      this.#buckets.delete(longestUnseen);
    }
    return bucket.take(now);
  }

  giveBack(source: string): void {
    this.#buckets.get(source)?.giveBack();
  }
}
