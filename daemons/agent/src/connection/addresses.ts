/**
 * Where labd may be found. Each round tries every address once in a new random order (AG-4), so that a dead replica
 * costs one try and not a streak of them; what a labd told replaces what was known, but for what stands in the settings.
 */

const addressesMax = 64;

export class Addresses {
  readonly #configured: readonly string[];
  readonly #keep: (urls: readonly string[]) => void;
  readonly #random: () => number;
  #all: readonly string[];
  #round: string[] = [];

  /** `known`: from an earlier life. `keep` gets the list when it has changed. */
  constructor(
    { configured, known }: { configured: readonly string[]; known: readonly string[] },
    keep: (urls: readonly string[]) => void,
    random: () => number = Math.random,
  ) {
    this.#configured = configured;
    this.#keep = keep;
    this.#random = random;
    this.#all = [...new Set([...configured, ...known])].slice(0, addressesMax);
  }

  /** Best first. */
  get all(): readonly string[] {
    return this.#all;
  }

  /** The one to try now. */
  next(): string {
    if (this.#round.length === 0) this.#round = [...this.#all];
    const at = Math.floor(this.#random() * this.#round.length);
    return this.#round.splice(at, 1)[0] ?? '';
  }

  /** `url` let us in and named the others that live. */
  learn(url: string, others: readonly string[]): void {
    this.#set([url, ...others, ...this.#configured]);
  }

  /** More of them, while connected. */
  add(urls: readonly string[]): void {
    this.#set([...this.#all, ...urls]);
  }

  /** The labd at `url` is about to go: others first. */
  leave(url: string, others: readonly string[]): void {
    this.add(others);
    this.#round = this.#all.filter((one) => one !== url);
  }

  #set(urls: readonly string[]): void {
    const all = [...new Set(urls)].slice(0, addressesMax);
    if (all.join('\n') === this.#all.join('\n')) return;
    this.#all = all;
    this.#round = [];
    this.#keep(all);
  }
}
