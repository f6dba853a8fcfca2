/** The places of an engine: `size` requests at once, the rest in line. */
export class Slots {
  running = 0;
  readonly size: number;
  readonly #line: Array<() => void> = [];

  constructor(size: number) {
    this.size = size;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** Resolves with a place taken; `left` gives up waiting and makes it resolve false. */
  take(onLeft: (left: () => void) => void): Promise<boolean> {
    if (this.running < this.size) {
      this.running += 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const enter = () => {
        this.running += 1;
        resolve(true);
      };
      this.#line.push(enter);
      onLeft(() => {
        const at = this.#line.indexOf(enter);
        if (at === -1) return;
        this.#line.splice(at, 1);
        resolve(false);
      });
    });
  }

  free(): void {
    this.running -= 1;
    this.#line.shift()?.();
  }
}
