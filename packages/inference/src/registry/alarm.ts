import type { Clock } from '@labmesh/kit/clock';

/** A sleep that `ring` cuts short; one sleeper at a time. A ring without a sleeper cuts the next sleep. */
export class Alarm {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #rung = false;
  #nap: AbortController | undefined;

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#nap?.abort(signal.reason), { once: true });
  }

  /** Sleeps `ms`, or until rung or the signal aborts. Never rejects. */
  async sleep(ms: number): Promise<void> {
    if (this.#signal.aborted) return;
    if (!this.#rung) {
      const nap = new AbortController();
      this.#nap = nap;
      await this.#clock.sleep(Math.max(0, ms), nap.signal).catch(() => {});
      this.#nap = undefined;
    }
    this.#rung = false;
  }

  ring(): void {
    this.#rung = true;
    this.#nap?.abort(new Error('rung'));
  }
}
