/**
 * Work that is asked for one by one and done many at a time: a rack of agents that comes back after a power cut costs the
 * store a few statements, not some for each.
 *
 *     add(item) ─▶ next group ─▶ work(group), one group after the other ─▶ each caller gets the answer to its item
 *
 * A group takes what came in the same turn of the loop, and while the group before it was under way.
 */
type Waiting<In, Out> = { item: In; resolve: (out: Out) => void; reject: (error: unknown) => void };

export class Batch<In, Out> {
  readonly #work: (items: readonly In[]) => Promise<readonly Out[]>;
  readonly #itemsMax: number;
  #waiting: Waiting<In, Out>[] = [];
  #running = false;

  /** `work` answers in the order of its items; what it throws, all of them get. */
  constructor(itemsMax: number, work: (items: readonly In[]) => Promise<readonly Out[]>) {
    this.#itemsMax = itemsMax;
    this.#work = work;
  }

  add(item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      setImmediate(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#itemsMax);
      try {
        const answers = await this.#work(group.map(({ item }) => item));
        for (const [index, { resolve }] of group.entries()) resolve(answers[index] as Out);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = false;
  }
}

/** Pieces of 2^n items: so many that statements which name each item have few texts, and stay prepared. */
export function* evenPieces<T>(items: readonly T[], most: number): Generator<T[]> {
  for (let at = 0; at < items.length;) {
    const size = 2 ** Math.floor(Math.log2(Math.min(most, items.length - at)));
    yield items.slice(at, at + size);
    at += size;
  }
}
