/** Looks after a running sandbox: its time, its CPU time, its end by us. */
import type { SandboxLimits } from '@labmesh/wire/verification/sandbox';
import type { CgroupUsage } from '../cgroup/cgroup.ts';
import type { KillReason } from './map-exit.ts';

const lookMs = 20;

export type WatchInput = {
  limits: Pick<SandboxLimits, 'wallMs' | 'cpuMs'>;
  kill: () => void;
};

export class RunWatch {
  readonly #input: WatchInput;
  #killed: KillReason | undefined;
  #startedAt = 0;
  #wall: Timer | undefined;
  #look: Timer | undefined;

  constructor(input: WatchInput) {
    this.#input = input;
  }

  /** Why we ended it; undefined when it ended by itself. */
  get killed(): KillReason | undefined {
    return this.#killed;
  }

  /** Ends the sandbox; the first reason stays. */
  end(reason: KillReason): void {
    this.#killed ??= reason;
    this.#input.kill();
  }

  /** From the job's first instruction on. `usage` and `look` are asked now and then while it runs. */
  start(usage: (() => CgroupUsage) | undefined, look: () => void): void {
    const { wallMs, cpuMs } = this.#input.limits;
    this.#startedAt = performance.now();
    this.#wall = setTimeout(() => this.end('wall'), wallMs);
    this.#look = setInterval(() => {
      if ((usage?.().cpuMs ?? 0) >= cpuMs) this.end('cpu');
      look();
    }, lookMs);
  }

  /** Gives how long it ran, in milliseconds. */
  stop(): number {
    clearTimeout(this.#wall);
    clearInterval(this.#look);
    return this.#startedAt === 0 ? 0 : performance.now() - this.#startedAt;
  }
}
