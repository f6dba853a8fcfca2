/**
 * Finds stop strings in text that arrives in pieces. Text that could still become a stop string is held back, so a
 * client never sees the beginning of one.
 */
export class StopScanner {
  #stops: readonly string[];
  #held = '';
  #found = false;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  /** True once a stop string was seen; it and what follows are dropped. */
  get found(): boolean {
    return this.#found;
  }

  /** Takes the next text, gives what may be sent. */
  push(text: string): string {
    if (this.#found) return '';
    const all = this.#held + text;
    const at = this.#earliest(all);
    if (at >= 0) {
      this.#found = true;
      this.#held = '';
      return all.slice(0, at);
    }
    const keep = this.#openLength(all);
    this.#held = all.slice(all.length - keep);
    return all.slice(0, all.length - keep);
  }

  /** The text held back, when no more will come. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #earliest(all: string): number {
    const hits = this.#stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
    return hits.length === 0 ? -1 : Math.min(...hits);
  }

  /** Length of the longest end of `all` that is the beginning of a stop string. */
  #openLength(all: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, all.length); length > longest; length--) {
        if (all.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}

/** Drops white space at both ends of an answer that arrives in pieces. */
export class Trimmer {
  #started = false;
  #held = '';

  push(text: string): string {
    const all = this.#held + (this.#started ? text : text.trimStart());
    if (all === '') return '';
    this.#started = true;
    const out = all.trimEnd();
    this.#held = all.slice(out.length);
    return out;
  }
}
