import { Connection, type Answer } from './connection.ts';
import { EventCounter } from './event-counter.ts';
import type { LoadPlan } from './load-plan.ts';
import { Window, type LoadResult } from './window.ts';

/**
 * Streams, each on its own connection, one after another. A stream is good when it brought at least `plan.events`
 * events, `[DONE]` and a proper end of its chunked body. Latencies are of whole streams.
 */
export async function sseLoop(plan: LoadPlan): Promise<LoadResult> {
  const window = new Window(plan.watches);
  const lanes = Array.from({ length: plan.connections }, () => new StreamLane(plan, window));
  await Promise.all(lanes.map((lane) => lane.start()));
  await Bun.sleep(plan.warmupMs);
  window.start();
  await Bun.sleep(plan.seconds * 1000);
  window.end();
  await Promise.all(lanes.map((lane) => lane.stop()));
  return window.result();
}

class StreamLane {
  readonly #connection: Connection;
  readonly #counter = new EventCounter();
  readonly #plan: LoadPlan;
  readonly #window: Window;
  #sentAt = 0;
  #stopped: (() => void) | undefined;

  constructor(plan: LoadPlan, window: Window) {
    this.#plan = plan;
    this.#window = window;
    this.#connection = new Connection(plan.port, {
      onBody: (bytes, from, to) => {
        const before = this.#counter.events;
        this.#counter.feed(bytes, from, to);
        // Counted as they come: the window cuts through streams.
        if (window.open) window.events += this.#counter.events - before;
      },
      onAnswer: (answer, at) => this.#answered(answer, at),
    });
  }

  async start(): Promise<void> {
    await this.#connection.open();
    this.#send();
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#stopped = resolve;
    });
  }

  #send(): void {
    this.#counter.reset();
    this.#sentAt = performance.now();
    this.#connection.send(this.#plan.request);
  }

  #answered(answer: Answer, at: number): void {
    const failure = this.#failureOf(answer);
    if (failure === undefined) this.#window.success(at - this.#sentAt);
    else this.#window.failure(failure);
    if (this.#stopped === undefined) return this.#send();
    this.#connection.close();
    this.#stopped();
  }

  #failureOf(answer: Answer): string | undefined {
    if (answer.failure !== undefined) return answer.failure;
    if (answer.status !== 200) return `status ${answer.status}`;
    if (!this.#counter.done) return 'stream without [DONE]';
    return this.#counter.events < this.#plan.events ? `stream of ${this.#counter.events} events` : undefined;
  }
}
