/** Something with a next moment; `heapAt` is the heap's own and starts at -1. */
export type Timed = { deadline: number; heapAt: number };

/** Items by deadline, earliest first: a binary heap that knows each item's place. An infinite deadline is not kept. */
export class DeadlineHeap<Item extends Timed> {
  readonly #items: Item[] = [];

  /** Infinity: nothing is waited for. */
  get earliest(): number {
    return this.#items[0]?.deadline ?? Infinity;
  }

  /** Gives the item this deadline. */
  set(item: Item, deadline: number): void {
    item.deadline = deadline;
    if (deadline === Infinity) return this.delete(item);
    if (item.heapAt === -1) {
      item.heapAt = this.#items.length;
      this.#items.push(item);
    }
    this.#rise(item);
    this.#sink(item);
  }

  delete(item: Item): void {
    const at = item.heapAt;
    if (at === -1) return;
    item.heapAt = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#place(last, at);
    this.#rise(last);
    this.#sink(last);
  }

  /** Takes out every item that is due, earliest first. */
  takeDue(now: number): Item[] {
    const due: Item[] = [];
    for (let first = this.#items[0]; first !== undefined && first.deadline <= now; first = this.#items[0]) {
      this.delete(first);
      due.push(first);
    }
    return due;
  }

  #place(item: Item, at: number): void {
    this.#items[at] = item;
    item.heapAt = at;
  }

  #rise(item: Item): void {
    for (;;) {
      const above = this.#items[(item.heapAt - 1) >> 1];
      if (item.heapAt === 0 || above === undefined || above.deadline <= item.deadline) return;
      this.#swap(item, above);
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const [left, right] = [this.#items[2 * item.heapAt + 1], this.#items[2 * item.heapAt + 2]];
      const below = right !== undefined && left !== undefined && right.deadline < left.deadline ? right : left;
      if (below === undefined || below.deadline >= item.deadline) return;
      this.#swap(item, below);
    }
  }

  #swap(a: Item, b: Item): void {
    const at = a.heapAt;
    this.#place(a, b.heapAt);
    this.#place(b, at);
  }
}
