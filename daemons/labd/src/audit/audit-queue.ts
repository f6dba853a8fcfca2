/**
 * Rows that wait to be committed, in two lanes with one bound: `must` rows have a caller who waits, `may` rows (class L)
 * do not. A full queue gives a `may` row's place to a `must` row and counts what is lost (AU-4).
 *
 *     push ──▶ must ─┐
 *              may ──┴─ first(n), in the order of arrival ──▶ commit ──▶ remove
 *
 * Rows stay here until they are committed, so a failed commit loses nothing.
 */
import type { AlsoWritten } from './also-written.ts';
import type { CleanEntry } from './clean-entry.ts';

export type Ticket = {
  /** Rises with each row. */
  order: number;
  /** Unix ms of the call, the row's `at`. */
  at: number;
  /** Clock ms of the call. */
  queuedAt: number;
  entry: CleanEntry;
  /** Absent for `may` rows. */
  settle?: { resolve: (done: { seq: number }) => void; reject: (error: Error) => void };
  /** Part of a commit under way: must not leave. */
  inFlight: boolean;
  /** Somebody waits for the commit: it does not wait for more rows to come. */
  isUrgent?: boolean;
  /** Written in the row's transaction, after it. */
  also?: AlsoWritten | undefined;
};

export class AuditQueue {
  readonly #max: number;
  readonly #must = new Set<Ticket>();
  readonly #may = new Set<Ticket>();
  /** Those of `must` that are urgent. */
  readonly #urgent = new Set<Ticket>();
  #lost = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#must.size + this.#may.size;
  }

  /** Rows that have a caller. */
  get waiting(): number {
    return this.#must.size;
  }

  /** Puts a row last. False: the queue is full; a `may` row is then counted as lost. */
  push(ticket: Ticket): boolean {
    const full = this.size >= this.#max;
    if (ticket.settle === undefined) {
      if (full) this.#lost++;
      else this.#may.add(ticket);
      return !full;
    }
    if (full && !this.#evict()) return false;
    this.#must.add(ticket);
    if (ticket.isUrgent === true) this.#urgent.add(ticket);
    return true;
  }

  /** Counts a row that never came in. */
  lose(): void {
    this.#lost++;
  }

  /** Rows lost since the last call. */
  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  /** Puts a row in past the bound: the count of lost rows must not be lost itself. */
  force(ticket: Ticket): void {
    this.#may.add(ticket);
  }

  #evict(): boolean {
    for (const ticket of this.#may) {
      if (ticket.inFlight) continue;
      this.#may.delete(ticket);
      this.#lost++;
      return true;
    }
    return false;
  }

  /** Up to `max` rows from the front of both lanes, in the order they came. They stay. */
  first(max: number): Ticket[] {
    const [must, may] = [this.#must.values(), this.#may.values()];
    let [a, b] = [must.next(), may.next()];
    const found: Ticket[] = [];
    while (found.length < max) {
      if (a.done !== true && (b.done === true || a.value.order < b.value.order)) {
        found.push(a.value);
        a = must.next();
      } else if (b.done !== true) {
        found.push(b.value);
        b = may.next();
      } else break;
    }
    return found;
  }

  /** The row that has waited longest; of those with a caller when `must`. */
  oldest(must = false): Ticket | undefined {
    const [a, b] = [this.#must.values().next().value, must ? undefined : this.#may.values().next().value];
    if (a === undefined || b === undefined) return a ?? b;
    return a.order < b.order ? a : b;
  }

  /** Whether a row waits that should not wait for others. */
  get hasUrgent(): boolean {
    return this.#urgent.size > 0;
  }

  remove(ticket: Ticket): void {
    this.#must.delete(ticket);
    this.#urgent.delete(ticket);
    this.#may.delete(ticket);
  }
}
