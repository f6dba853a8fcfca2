import { percentile } from '../percentile.ts';
import { readStats, sumTree } from '../process-tree.ts';

/** What one load run prints as JSON on stdout. Counts are of the measuring window only, warm-up left out. */
export type LoadResult = {
  seconds: number;
  requests: number;
  errors: number;
  /** Failure texts, at most `failuresKept`. */
  failures: string[];
  /** Server-sent events; 0 when the answers are JSON. */
  events: number;
  rps: number;
  p50Ms: number;
  p99Ms: number;
  /** CPU µs in the window by watched process tree; `load` is this process. */
  cpuUs: Record<string, number>;
};

const failuresKept = 5;

/** Name and root pid of a process tree. */
export type Watch = { name: string; pid: number };

/**
 * The measuring window. The load process itself reads the targets' CPU when it opens and closes: no other process
 * could do it at the same instant as the counters. Reading takes milliseconds, so a run that is about latency watches
 * nothing.
 */
export class Window {
  open = false;
  requests = 0;
  errors = 0;
  events = 0;
  readonly #failures = new Set<string>();
  readonly #latenciesMs: number[] = [];
  readonly #watches: readonly Watch[];
  #startedAt = 0;
  #endedAt = 0;
  #before: number[] = [];
  #after: number[] = [];

  constructor(watches: readonly Watch[]) {
    this.#watches = watches;
  }

  start(): void {
    this.#before = this.#readCpu();
    this.#startedAt = performance.now();
    this.open = true;
  }

  end(): void {
    this.open = false;
    this.#endedAt = performance.now();
    this.#after = this.#readCpu();
  }

  /** A good answer. Ignored while the window is shut. */
  success(latencyMs: number): void {
    if (!this.open) return;
    this.requests++;
    this.#latenciesMs.push(latencyMs);
  }

  /** A bad answer. Failures count in warm-up and drain too: a run with any is no good run. */
  failure(reason: string): void {
    this.errors++;
    this.requests++;
    if (this.#failures.size < failuresKept) this.#failures.add(reason);
  }

  result(): LoadResult {
    const seconds = (this.#endedAt - this.#startedAt) / 1000;
    const sorted = Float64Array.from(this.#latenciesMs).toSorted();
    const cpu = this.#watches.map(({ name }, i) => [name, (this.#after[i] ?? 0) - (this.#before[i] ?? 0)]);
    return {
      seconds,
      requests: this.requests,
      errors: this.errors,
      failures: [...this.#failures],
      events: this.events,
      rps: (this.requests - this.errors) / seconds,
      p50Ms: percentile(sorted, 0.5),
      p99Ms: percentile(sorted, 0.99),
      cpuUs: Object.fromEntries(cpu) as Record<string, number>,
    };
  }

  #readCpu(): number[] {
    if (this.#watches.length === 0) return [];
    const stats = readStats();
    return this.#watches.map(({ pid }) => sumTree(pid, stats).cpuUs);
  }
}
