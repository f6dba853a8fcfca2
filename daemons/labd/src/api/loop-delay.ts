/** How late the event loop is: the one number that says that something holds it (AP-11, ME-1). */
const everyMs = 100;
/** Two minutes of samples. */
const samplesMax = 1_200;

export class LoopDelay implements Disposable {
  readonly #samples = new Float64Array(samplesMax);
  readonly #timer: NodeJS.Timeout;
  #count = 0;

  constructor() {
    let due = performance.now() + everyMs;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#samples[this.#count++ % samplesMax] = Math.max(0, now - due);
      due = now + everyMs;
    }, everyMs);
    this.#timer.unref();
  }

  p99Ms(): number {
    const filled = this.#samples.slice(0, Math.min(this.#count, samplesMax)).toSorted();
    return Math.round((filled[Math.floor(filled.length * 0.99)] ?? 0) * 100) / 100;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
