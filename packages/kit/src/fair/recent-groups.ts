type Seen = { priority: number; until: number };

/** Names that are remembered; the one that was here longest ago goes first. */
const namesMost = 1024;

/** Groups that gave back their last place a moment ago: they are likely to want one again soon. */
export class RecentGroups {
  readonly #keepMs: number;
  /** The last to leave is last. */
  readonly #seen = new Map<string, Seen>();

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** A group gave back its last place, which it had for work of this priority. */
  left(name: string, priority: number, now: number): void {
    this.#seen.delete(name);
    this.#seen.set(name, { priority, until: now + this.#keepMs });
    const oldest = this.#seen.keys().next();
    if (this.#seen.size > namesMost && oldest.done === false) this.#seen.delete(oldest.value);
  }

  /** Whether one that meets the condition was here a moment ago, for work that is no less urgent than `rank`. */
  some(rank: number, now: number, condition: (name: string) => boolean): boolean {
    for (const [name, { priority, until }] of this.#seen) {
      if (until <= now) this.#seen.delete(name);
      else if (priority >= rank && condition(name)) return true;
    }
    return false;
  }
}
