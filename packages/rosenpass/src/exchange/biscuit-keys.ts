import type { RandomSource as Random } from '../mceliece/random-source.ts';

const keyBytes = 32;
/** A key seals for this long, and opens for as long again. */
export const biscuitKeyTurnMs = 300_000;

/**
 * The two keys that seal biscuits (spec tunnel.md 5.6). Both are random at start, so nothing from an earlier run opens;
 * a turned-out key is zeroed, so nothing from before opens later.
 */
export class BiscuitKeys implements Disposable {
  readonly #random: Random;
  readonly #secrets: [Uint8Array, Uint8Array];
  #young: 0 | 1 = 1;
  #turnAt: number;

  constructor(random: Random, now: number) {
    this.#random = random;
    this.#secrets = [random(keyBytes), random(keyBytes)];
    this.#turnAt = now + biscuitKeyTurnMs;
  }

  /** When `turn` is next due, ms. */
  get turnAt(): number {
    return this.#turnAt;
  }

  /** Replaces what is too old. Called before each use too: a sleeping machine must not stretch a key's life. */
  turn(now: number): void {
    if (now < this.#turnAt) return;
    if (now >= this.#turnAt + biscuitKeyTurnMs) this.#renew(this.#young);
    this.#young = this.#young === 0 ? 1 : 0;
    this.#renew(this.#young);
    this.#turnAt = now + biscuitKeyTurnMs;
  }

  /** The key to seal with. */
  young(now: number): { index: number; secret: Uint8Array } {
    this.turn(now);
    return { index: this.#young, secret: this.#secrets[this.#young] };
  }

  /** The key that a biscuit names by its index, 0 or 1. */
  secret(index: number, now: number): Uint8Array {
    this.turn(now);
    return this.#secrets[index === 0 ? 0 : 1];
  }

  [Symbol.dispose](): void {
    for (const secret of this.#secrets) secret.fill(0);
  }

  #renew(index: 0 | 1): void {
    this.#secrets[index].fill(0);
    this.#secrets[index] = this.#random(keyBytes);
  }
}
