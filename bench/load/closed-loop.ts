import { Connection, type Answer } from './connection.ts';
import type { LoadPlan } from './load-plan.ts';
import { Window, type LoadResult } from './window.ts';

/** Each connection sends its next request when the last one is answered: finds the most that a target can do. */
export async function closedLoop(plan: LoadPlan): Promise<LoadResult> {
  const window = new Window(plan.watches);
  const lanes = Array.from({ length: plan.connections }, () => new Lane(plan, window));
  await Promise.all(lanes.map((lane) => lane.start()));
  await Bun.sleep(plan.warmupMs);
  window.start();
  if (plan.requests === 0) await Bun.sleep(plan.seconds * 1000);
  else while (window.requests < plan.requests) await Bun.sleep(5);
  window.end();
  await Promise.all(lanes.map((lane) => lane.stop()));
  return window.result();
}

class Lane {
  readonly #connection: Connection;
  readonly #plan: LoadPlan;
  readonly #window: Window;
  #sentAt = 0;
  #bodyBytes = 0;
  #stopped: (() => void) | undefined;

  constructor(plan: LoadPlan, window: Window) {
    this.#plan = plan;
    this.#window = window;
    this.#connection = new Connection(plan.port, {
      onBody: (_, from, to) => {
        this.#bodyBytes += to - from;
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
    this.#bodyBytes = 0;
    this.#sentAt = performance.now();
    this.#connection.send(this.#plan.request);
  }

  #answered(answer: Answer, at: number): void {
    const failure = answerFailure(answer, this.#bodyBytes);
    if (failure === undefined) this.#window.success(at - this.#sentAt);
    else this.#window.failure(failure);
    if (this.#stopped === undefined) return this.#send();
    this.#connection.close();
    this.#stopped();
  }
}

/** Smallest body that can be a chat completion, bytes: an empty or cut answer must not pass as a fast one. */
const completionBytesMin = 150;

/** Why a JSON answer does not count; undefined when it does. */
export function answerFailure(answer: Answer, bodyBytes: number): string | undefined {
  if (answer.failure !== undefined) return answer.failure;
  if (answer.status !== 200) return `status ${answer.status}`;
  return bodyBytes < completionBytesMin ? `body of ${bodyBytes} bytes` : undefined;
}
