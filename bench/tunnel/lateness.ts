const sampleMs = 5;

/** How late a timer of this thread comes: what any other work in it would have waited. */
export class Lateness {
  #late: number[] = [];

  constructor() {
    this.#wait();
  }

  /** Milliseconds, to a hundredth, since the last call. */
  take(): number[] {
    const late = this.#late;
    this.#late = [];
    return late;
  }

  #wait(): void {
    const due = performance.now() + sampleMs;
    setTimeout(() => {
      this.#late.push(Math.round(Math.max(0, performance.now() - due) * 100) / 100);
      this.#wait();
    }, sampleMs);
  }
}
