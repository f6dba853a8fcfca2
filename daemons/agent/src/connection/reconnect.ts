/**
 * How long to wait before the next try (AG-4). Try n is uniform between 1 s and min(30 s, 2^n s): thousands of agents
 * that lost the same labd must not come back in step. The first after a GOAWAY or a loss lies in the range labd told.
 * Never gives up; 60 s of being connected begin anew.
 */
import { DialRefused } from '@labmesh/link/dial';

export type WaitRange = { minMs: number; maxMs: number };

const steadyMs = 60_000;
/** A time that many were told is spread up to this many times of it. */
const retrySpread = 1.5;

export class Reconnect {
  readonly #range: WaitRange;
  readonly #random: () => number;
  #tries = 0;
  /** Told connections that ended early, one after the other. */
  #losses = 0;
  #told: WaitRange | undefined;

  constructor(range: WaitRange, random: () => number = Math.random) {
    this.#range = range;
    this.#random = random;
  }

  /** labd said goodbye, and when to come back. */
  told(range: WaitRange): void {
    this.#told = range;
  }

  /** A connection ended after `upMs`; without a goodbye, that its labd told to come back within `withinMs`. */
  lost(upMs: number, withinMs: number | undefined): void {
    if (upMs >= steadyMs) this.#tries = this.#losses = 0;
    if (withinMs !== undefined) this.#told ??= { minMs: 0, maxMs: withinMs };
  }

  /** Ms to wait now. */
  next(): number {
    const told = this.#told;
    this.#told = undefined;
    if (told === undefined) return this.#between(this.#range.minMs, this.#capMs(++this.#tries));
    // A labd that lets in and loses again and again is not stormed for it.
    if (++this.#losses === 1) return this.#between(told.minMs, told.maxMs);
    return this.#between(this.#range.minMs, Math.max(told.maxMs, this.#capMs(this.#losses)));
  }

  /** The longest wait of try `n`. */
  #capMs(n: number): number {
    const { minMs, maxMs } = this.#range;
    return Math.min(maxMs, Math.max(minMs, 2 ** Math.min(n, 20) * 1_000));
  }

  /** Ms to wait after a try that failed. Never before the time that labd named, and not in step with the others (RL-2). */
  afterFailure(error: unknown): number {
    const named = error instanceof DialRefused ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(this.next(), this.#between(named, named * retrySpread));
  }

  #between(minMs: number, maxMs: number): number {
    return Math.round(minMs + this.#random() * Math.max(0, maxMs - minMs));
  }
}
