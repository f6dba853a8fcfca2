import { PairsError } from './pairs-error.ts';

/** Work that reads much: so many at once, of all tenants together, and one more is refused instead of waiting. */
export class AtMost {
  readonly #most: number;
  readonly #what: string;
  #running = 0;

  constructor(most: number, what: string) {
    this.#most = most;
    this.#what = what;
  }

  /** @throws PairsError PAIRS_BUSY */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#most) {
      throw new PairsError('PAIRS_BUSY', `${this.#most} ${this.#what} at once; try again in a moment`);
    }
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
    }
  }
}
