/** How far a copy is, for people: bytes, share, rate (CP-2). */
import type { Clock } from '@labmesh/kit/clock';
import { sizeText } from '../../output/server-views.ts';
import type { TaskProgress } from '../../output/task-progress.ts';
import { span } from '../../terminal/span.ts';

const everyMs = 200;
/** Shorter times are told with a digit behind the point. */
const preciseMs = 10_000;

export type MeterOptions = {
  name: string;
  tasks: TaskProgress;
  clock: Clock;
  /** Rates and counts change all the time: only where lines are drawn over, or read by a program. */
  tellsRate: boolean;
};

export class CopyMeter {
  readonly #options: MeterOptions;
  readonly #startedAt: number;
  #bytes = 0;
  /** Bytes that were there before: they count for the share, not for the rate. */
  #before = 0;
  #total: number | undefined;
  #told = -Infinity;

  constructor(options: MeterOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `total`: bytes in all, undefined when nobody knows; `before` of them are there already. */
  begin(total: number | undefined, before: number): void {
    this.#total = total;
    this.#before = before;
    this.#tell();
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#options.clock.now() - this.#told >= everyMs) this.#tell();
  }

  #tell(): void {
    const { name, tasks, clock, tellsRate } = this.#options;
    this.#told = clock.now();
    const done = this.#before + this.#bytes;
    // A file that grew meanwhile: never more than all of it.
    const share = this.#total ? `${Math.min(100, Math.floor((done / this.#total) * 100))} %` : '';
    const words = tellsRate ? [share, sizeText(done), this.rate] : [];
    tasks.set(name, 'running', words.filter((word) => word !== undefined && word !== '').join(', '));
  }

  /** `85 MiB/s` since the beginning. */
  get rate(): string {
    const ms = Math.max(1, this.#options.clock.now() - this.#startedAt);
    return `${sizeText(Math.round((this.#bytes * 1000) / ms)) ?? ''}/s`;
  }

  /** `1 GiB in 12s, 85 MiB/s`; nothing for a copy that never began. */
  end(state: 'done' | 'failed'): void {
    if (this.#told === -Infinity) return;
    const ms = this.#options.clock.now() - this.#startedAt;
    const lasted = ms < preciseMs ? `${(ms / 1000).toFixed(1)}s` : span(ms);
    this.#options.tasks.set(this.#options.name, state, `${sizeText(this.#bytes) ?? ''} in ${lasted}, ${this.rate}`);
  }
}
