import { answerFailure } from './closed-loop.ts';
import { Connection } from './connection.ts';
import type { LoadPlan } from './load-plan.ts';
import { Window, type LoadResult } from './window.ts';

/** How long the answers still out may take after the last request, ms. */
const drainMs = 5_000;

/**
 * Open loop: a request is due every 1/rate seconds whatever the target does, and its latency runs from when it was due.
 * A target that stalls makes the waiting requests late instead of fewer (no coordinated omission).
 *
 * Due times are polled with setImmediate: timers have 1 ms resolution, which would send in bursts and measure them.
 */
export async function pacedLoop(plan: LoadPlan): Promise<LoadResult> {
  const window = new Window([]);
  const pool = new LanePool(plan, window);
  await pool.open();
  await sendOnTime(pool, window, plan);
  for (let left = pool.outstanding; left > 0; left--) window.failure('no answer');
  window.end();
  pool.close();
  return window.result();
}

/** Resolves when the last answer is in, or `drainMs` after the last request. */
function sendOnTime(pool: LanePool, window: Window, plan: LoadPlan): Promise<void> {
  const stepMs = 1000 / plan.rate;
  const measureAt = performance.now() + plan.warmupMs;
  const endAt = measureAt + plan.seconds * 1000;
  let due = performance.now();
  return new Promise((resolve) => {
    const turn = () => {
      const now = performance.now();
      if (!window.open && now >= measureAt) window.start();
      for (; due <= now && due < endAt; due += stepMs) pool.request(due);
      const over = due >= endAt && (pool.outstanding === 0 || now > endAt + drainMs);
      if (over) return resolve();
      setImmediate(turn);
    };
    turn();
  });
}

/** Connections, and the due times of requests that wait for one. */
class LanePool {
  readonly #lanes: Connection[] = [];
  readonly #idle: number[] = [];
  readonly #waiting: number[] = [];
  readonly #dueAt: number[];
  readonly #bodyBytes: number[];
  readonly #plan: LoadPlan;

  constructor(plan: LoadPlan, window: Window) {
    this.#plan = plan;
    this.#dueAt = Array.from({ length: plan.connections }, () => 0);
    this.#bodyBytes = Array.from({ length: plan.connections }, () => 0);
    for (let lane = 0; lane < plan.connections; lane++) {
      const onBody = (_: Buffer, from: number, to: number) => {
        this.#bodyBytes[lane] = (this.#bodyBytes[lane] ?? 0) + to - from;
      };
      const connection = new Connection(plan.port, {
        onBody,
        onAnswer: (answer, at) => {
          const failure = answerFailure(answer, this.#bodyBytes[lane] ?? 0);
          if (failure === undefined) window.success(at - (this.#dueAt[lane] ?? 0));
          else window.failure(failure);
          this.#freed(lane);
        },
      });
      this.#lanes.push(connection);
      this.#idle.push(lane);
    }
  }

  get outstanding(): number {
    return this.#lanes.length - this.#idle.length + this.#waiting.length;
  }

  async open(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.open()));
  }

  request(due: number): void {
    const lane = this.#idle.pop();
    if (lane === undefined) this.#waiting.push(due);
    else this.#send(lane, due);
  }

  close(): void {
    for (const lane of this.#lanes) lane.close();
  }

  #freed(lane: number): void {
    const due = this.#waiting.shift();
    if (due === undefined) this.#idle.push(lane);
    else this.#send(lane, due);
  }

  #send(lane: number, due: number): void {
    this.#dueAt[lane] = due;
    this.#bodyBytes[lane] = 0;
    this.#lanes[lane]?.send(this.#plan.request);
  }
}
