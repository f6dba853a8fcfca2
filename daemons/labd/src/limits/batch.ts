/**
 * Work that is asked for one by one and done many at a time: a rack of agents that comes back after a power cut costs the
 * store a few statements, not some for each.
 *
 *     add(item) ─▶ next group ─▶ work(group), one group after the other ─▶ each caller gets the answer to its item
 *
 * A group takes what came in the same turn of the loop, or within 20 ms after the group before it began to run: who comes
 * alone waits for nothing, and a storm costs fifty groups a second however many come. With `apartMs` 0 it takes what came
 * while the group before it ran.
 */
type Waiting<In, Out> = { item: In; resolve: (out: Out) => void; reject: (error: unknown) => void };

const apartMsUsual = 20;

export class Batch<In, Out> {
  readonly #work: (items: readonly In[]) => Promise<readonly Out[]>;
  readonly #itemsMax: number;
  readonly #apartMs: number;
  #waiting: Waiting<In, Out>[] = [];
  #running: Promise<void> | undefined;

  /** `work` answers in the order of its items; what it throws, all of them get. */
  constructor(itemsMax: number, work: (items: readonly In[]) => Promise<readonly Out[]>, apartMs = apartMsUsual) {
    this.#apartMs = apartMs;
    this.#itemsMax = itemsMax;
    this.#work = work;
  }

  add(item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits or is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#itemsMax);
      const startedAt = performance.now();
      try {
        const answers = await this.#work(group.map(({ item }) => item));
        for (const [index, { resolve }] of group.entries()) resolve(answers[index] as Out);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
      const restMs = this.#apartMs - (performance.now() - startedAt);
      if (restMs > 0) await Bun.sleep(restMs);
    }
    this.#running = undefined;
  }
}

/** Work by key, one at a time each: what is asked for meanwhile waits, and only the newest of it is done. */
export class Newest {
  readonly #waiting = new Map<string, (() => Promise<void>) | undefined>();

  /** `work` never rejects. */
  run(key: string, work: () => Promise<void>): void {
    const isBusy = this.#waiting.has(key);
    this.#waiting.set(key, isBusy ? work : undefined);
    if (!isBusy) void this.#run(key, work);
  }

  async #run(key: string, first: () => Promise<void>): Promise<void> {
    for (let work: (() => Promise<void>) | undefined = first; work !== undefined; work = this.#waiting.get(key)) {
      this.#waiting.set(key, undefined);
      await work();
    }
    this.#waiting.delete(key);
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
