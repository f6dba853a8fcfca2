import { BoundedQueue } from '@labmesh/kit/bounded-queue';
import type { StepJob, StepResult } from '../steps/step-job.ts';

/** RP_QUEUE: jobs that wait for a worker. Half of it is kept for sources with a live session (D2). */
export const queueMax = 64;

export type Urgency = 'live' | 'unknown';

type Waiting = { job: StepJob; done: (result: StepResult, now: number) => void };

/** Hands jobs to `slots` workers: what is begun first, then what concerns a live session, then the rest. */
export class JobQueue {
  readonly #slots: number;
  readonly #start: (jobId: number, job: StepJob) => void;
  /** Second halves of a step: at most one for each job that just ended. */
  readonly #begun: Waiting[] = [];
  readonly #live = new BoundedQueue<Waiting>('RP_QUEUE', queueMax);
  readonly #unknown = new BoundedQueue<Waiting>('RP_QUEUE', queueMax / 2);
  readonly #running = new Map<number, Waiting['done']>();
  #nextId = 1;

  constructor(slots: number, start: (jobId: number, job: StepJob) => void) {
    this.#slots = slots;
    this.#start = start;
  }

  get waiting(): number {
    return this.#begun.length + this.#live.size + this.#unknown.size;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Whether cookies are to be asked for (D5). */
  get overHalf(): boolean {
    return this.waiting > queueMax / 2;
  }

  hasRoom(urgency: Urgency): boolean {
    return this.waiting < queueMax && (urgency === 'live' || this.#unknown.size < this.#unknown.max);
  }

  /** Puts a job in line; `done` gets its result. Ask `hasRoom` first. @throws BoundPassed: RP_QUEUE. */
  push(urgency: Urgency, job: StepJob, done: Waiting['done']): void {
    (urgency === 'live' ? this.#live : this.#unknown).push({ job, done });
  }

  /** Called from within `done`: what follows the job that just ended takes its place. */
  follow(job: StepJob, done: Waiting['done']): void {
    this.#begun.push({ job, done });
  }

  /** Starts as many as there are free slots. */
  pump(): void {
    while (this.#running.size < this.#slots) {
      const next = this.#begun.shift() ?? this.#live.shift() ?? this.#unknown.shift();
      if (next === undefined) return;
      const jobId = this.#nextId++;
      this.#running.set(jobId, next.done);
      this.#start(jobId, next.job);
    }
  }

  /** A result that nobody waits for is ignored. */
  ended(jobId: number, result: StepResult, now: number): void {
    const done = this.#running.get(jobId);
    this.#running.delete(jobId);
    done?.(result, now);
  }
}
