/** A named limit was reached. Every bound of a queue, buffer or list ends in this error, never in silent loss. */
export class BoundPassed extends Error {
  /** The limit's name, such as `gateway.queue.max`. */
  readonly bound: string;
  readonly max: number;

  constructor(bound: string, max: number) {
    super(`the bound ${bound} (${max}) is reached`);
    this.name = 'BoundPassed';
    this.bound = bound;
    this.max = max;
  }
}

type Link<T> = { item: T; before: Link<T> | undefined; after: Link<T> | undefined; forget: (() => void) | undefined };

/**
 * First in, first out, with a named bound. An item may be pushed with a signal: when that aborts while the item still
 * waits, the item leaves the queue. Push, shift and leaving cost O(1): a doubly linked list,
 *
 *     head ⇄ … ⇄ tail
 */
export class BoundedQueue<T> {
  readonly name: string;
  readonly max: number;
  #size = 0;
  #head: Link<T> | undefined;
  #tail: Link<T> | undefined;

  constructor(name: string, max: number) {
    this.name = name;
    this.max = max;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Puts an item last. `left` is called when the signal takes it out again.
   * @throws BoundPassed when the queue is full; the signal's reason when it is aborted already.
   */
  push(item: T, signal?: AbortSignal, left?: (reason: unknown) => void): void {
    signal?.throwIfAborted();
    if (this.#size >= this.max) throw new BoundPassed(this.name, this.max);
    const link: Link<T> = { item, before: this.#tail, after: undefined, forget: undefined };
    if (this.#tail === undefined) this.#head = link;
    else this.#tail.after = link;
    this.#tail = link;
    this.#size++;
    if (signal === undefined) return;
    const onAbort = () => {
      this.#unlink(link);
      left?.(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    link.forget = () => signal.removeEventListener('abort', onAbort);
  }

  /** Takes the first item, or undefined when there is none. */
  shift(): T | undefined {
    const link = this.#head;
    if (link === undefined) return undefined;
    this.#unlink(link);
    return link.item;
  }

  /** The first item, left where it is. */
  peek(): T | undefined {
    return this.#head?.item;
  }

  /** Items in order. Taking the item just given out of the queue while iterating is allowed. */
  *[Symbol.iterator](): Generator<T> {
    for (let link = this.#head; link !== undefined;) {
      const after: Link<T> | undefined = link.after;
      yield link.item;
      link = after;
    }
  }

  #unlink(link: Link<T>): void {
    link.forget?.();
    if (link.before === undefined) this.#head = link.after;
    else link.before.after = link.after;
    if (link.after === undefined) this.#tail = link.before;
    else link.after.before = link.before;
    this.#size--;
  }
}

type Waiter = { resolve: () => void };

/** A line of callers that wait for their turn. Whoever frees something calls `admit` once for each caller to let in. */
export class WaitingLine {
  readonly #queue: BoundedQueue<Waiter>;

  constructor(name: string, max: number) {
    this.#queue = new BoundedQueue(name, max);
  }

  /** Callers in the line. */
  get size(): number {
    return this.#queue.size;
  }

  /** Resolves at the caller's turn. Rejects with BoundPassed at once, or with the signal's reason: it left the line. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => this.#queue.push({ resolve }, signal, reject));
  }

  /** Lets the first caller in; false when nobody waits. */
  admit(): boolean {
    const waiter = this.#queue.shift();
    waiter?.resolve();
    return waiter !== undefined;
  }
}
