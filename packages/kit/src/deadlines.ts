/**
 * Deadlines without a timer each. An entry's `deadline` (Clock ms, 0 = none) may be written at any time at no cost; one
 * interval looks at all entries every 100 ms, so a deadline fires up to `grainMs` late. The interval stands still while
 * there are no entries.
 */
export interface DeadlineEntry {
  deadline: number;
  onDeadline(): void;
}

export const grainMs = 100;

export class Deadlines {
  #entries = new Set<DeadlineEntry>();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Clock ms of the last look: cheap, and at most `grainMs` behind while there are entries. */
  now = 0;

  add(entry: DeadlineEntry): void {
    this.now = performance.now();
    this.#entries.add(entry);
    this.#timer ??= setInterval(() => this.#sweep(), grainMs);
  }

  delete(entry: DeadlineEntry): void {
    this.#entries.delete(entry);
  }

  get size(): number {
    return this.#entries.size;
  }

  #sweep(): void {
    // Stopped here and not in delete, so that short requests one after another do not start and stop a timer each.
    if (this.#entries.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    const now = performance.now();
    this.now = now;
    for (const entry of this.#entries) {
      if (entry.deadline === 0 || entry.deadline > now) continue;
      entry.deadline = 0;
      try {
        entry.onDeadline();
      } catch (error) {
        // One entry's fault must not keep the others waiting, nor end the process.
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    }
  }
}
