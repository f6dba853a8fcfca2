import type { LoadResult } from '../load/window.ts';
import { median } from '../percentile.ts';
import { runLoad, type LoadRun, type Stage } from './stage.ts';
import type { Target, TargetName } from './target.ts';

/** Every run of one target. */
export type TargetRuns = {
  /** Not measured, but their errors and requests count. */
  unmeasured: LoadResult[];
  json: LoadResult[];
  sse: LoadResult[];
  /** At the common rate (portkey: at half of its own most). */
  paced: LoadResult[];
  rssBytes: number;
  /** Requests (a stream is one) that it had answered when its memory was read. */
  rssAfterRequests: number;
};

export type Measurements = {
  runs: Map<TargetName, TargetRuns>;
  /** Direct at portkey's rate: what its latency is compared with. */
  directAtPortkeyRate: LoadResult[];
  rate: number;
  portkeyRate: number;
};

/** How long and how often; windows of 3 s and more keep the 10 ms clock tick of /proc under half a percent. */
export type Effort = {
  repeats: number;
  jsonSeconds: number;
  sseSeconds: number;
  pacedSeconds: number;
  warmupMs: number;
};

export const fullEffort: Effort = { repeats: 5, jsonSeconds: 3, sseSeconds: 5, pacedSeconds: 2, warmupMs: 1000 };
export const quickEffort: Effort = { repeats: 1, jsonSeconds: 2, sseSeconds: 2, pacedSeconds: 1.5, warmupMs: 700 };

export const jsonConnections = 32;
export const sseStreams = 64;
/** A just-in-time compiler has to see its target's code first: node's takes longest (Portkey: 3200 µs a request, then 900). */
const warmSeconds: Record<TargetName, number> = { direct: 1, nginx: 6, labmesh: 6, portkey: 8 };
/** Memory is read after this many requests at least. */
const rssRequestsMin = 100_000;
/** CPU runs of the slow peer: at a hundredth of the throughput its numbers move less than the machine does. */
const portkeyCpuRuns = 1;

/** Runs everything: warm-up, CPU, latency, memory. */
export function measure(stage: Stage, effort: Effort, progress: (text: string) => void): Promise<Measurements> {
  return new Session(stage, effort, progress).run();
}

class Session {
  readonly #runs = new Map<TargetName, TargetRuns>();
  readonly #directAtPortkeyRate: LoadResult[] = [];
  readonly #json: LoadRun;
  readonly #sse: LoadRun;
  readonly #stage: Stage;
  readonly #effort: Effort;
  readonly #progress: (text: string) => void;

  constructor(stage: Stage, effort: Effort, progress: (text: string) => void) {
    const { jsonSeconds, sseSeconds, warmupMs } = effort;
    this.#stage = stage;
    this.#effort = effort;
    this.#progress = progress;
    this.#json = { mode: 'closed', connections: jsonConnections, seconds: jsonSeconds, warmupMs };
    this.#sse = { mode: 'sse', connections: sseStreams, seconds: sseSeconds, warmupMs };
    for (const name of stage.targets.keys()) {
      this.#runs.set(name, { unmeasured: [], json: [], sse: [], paced: [], rssBytes: 0, rssAfterRequests: 0 });
    }
  }

  async run(): Promise<Measurements> {
    await this.#interleave('warm-up', 1, (target, into) => this.#warmUp(target, into));
    await this.#interleave('CPU', this.#effort.repeats, (target, into) => this.#measureCpu(target, into));
    const rate = this.#halfOfMost('labmesh');
    const portkeyRate = this.#halfOfMost('portkey');
    await this.#interleave('latency', this.#effort.repeats, (target, into) =>
      this.#measureLatency(target, into, target.name === 'portkey' ? portkeyRate : rate),
    );
    await this.#interleave('memory', 1, (target, into) => this.#readMemory(target, into));
    return { runs: this.#runs, directAtPortkeyRate: this.#directAtPortkeyRate, rate, portkeyRate };
  }

  /** Target after target, then again: a machine that slows down slows all of them. */
  async #interleave(
    what: string,
    repeats: number,
    step: (target: Target, into: TargetRuns) => Promise<void>,
  ): Promise<void> {
    for (let repeat = 1; repeat <= repeats; repeat++) {
      for (const [name, target] of this.#stage.targets) {
        this.#progress(`${what} ${repeat} of ${repeats}: ${name}`);
        await step(target, this.#runs.get(name) as TargetRuns);
      }
    }
  }

  async #warmUp(target: Target, into: TargetRuns): Promise<void> {
    const seconds = warmSeconds[target.name];
    into.unmeasured.push(await runLoad(this.#stage, target, { ...this.#json, seconds }));
    into.unmeasured.push(await runLoad(this.#stage, target, { ...this.#sse, seconds }));
  }

  async #measureCpu(target: Target, into: TargetRuns): Promise<void> {
    if (target.name === 'portkey' && into.json.length >= portkeyCpuRuns) return;
    into.json.push(await runLoad(this.#stage, target, this.#json));
    into.sse.push(await runLoad(this.#stage, target, this.#sse));
  }

  async #measureLatency(target: Target, into: TargetRuns, rate: number): Promise<void> {
    const paced: LoadRun = { ...this.#json, mode: 'paced', seconds: this.#effort.pacedSeconds, rate };
    into.paced.push(await runLoad(this.#stage, target, paced));
    const direct = this.#stage.targets.get('direct');
    if (target.name !== 'portkey' || direct === undefined) return;
    this.#directAtPortkeyRate.push(await runLoad(this.#stage, direct, paced));
  }

  /** Ours is topped up to `rssRequestsMin` requests first. */
  async #readMemory(target: Target, into: TargetRuns): Promise<void> {
    const lacking = rssRequestsMin - countRequests(into);
    if (target.name === 'labmesh' && lacking > 0) {
      into.unmeasured.push(await runLoad(this.#stage, target, { ...this.#json, requests: lacking, warmupMs: 0 }));
    }
    into.rssBytes = target.process.rssBytes;
    into.rssAfterRequests = countRequests(into);
  }

  #halfOfMost(name: TargetName): number {
    const most = median((this.#runs.get(name)?.json ?? []).map((run) => run.rps));
    return most > 0 ? Math.ceil(most / 2) : 1;
  }
}

function countRequests({ unmeasured, json, sse, paced }: TargetRuns): number {
  return [...unmeasured, ...json, ...sse, ...paced].reduce((sum, run) => sum + run.requests, 0);
}
