/** The windows of this replica: what holds without Redis, and what goes on when Redis is lost (RL-2). */
import { Window, type Decision, type Rule } from './window.ts';

/** Keys kept over all limits; about 250 bytes each. */
export const keysMax = 100_000;

/**
 * Two maps instead of one list of use: what is taken goes to the young map, and when that is half of all, it becomes the
 * old one and the old one is dropped. So nothing is ever searched for the key unused longest. A flood of addresses can
 * push out a key that is being refused: it starts anew, and the memory stays bounded.
 */
export class LocalWindows {
  #young = new Map<string, Window>();
  #old = new Map<string, Window>();
  readonly #half: number;

  constructor(max = keysMax) {
    this.#half = Math.max(1, Math.floor(max / 2));
  }

  /** Keys kept; a key in both maps counts twice. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  look(key: string, rule: Rule, nowMs: number, cost: number): Decision {
    return (this.#find(key) ?? new Window()).look(rule, nowMs, cost);
  }

  take(key: string, rule: Rule, nowMs: number, cost: number): Decision {
    const window = this.#find(key) ?? new Window();
    if (!this.#young.has(key) && this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, window);
    return window.take(rule, nowMs, cost);
  }

  #find(key: string): Window | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }
}
