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

export const fullEffort: Effort = { repeats: 3, jsonSeconds: 3, sseSeconds: 5, pacedSeconds: 3, warmupMs: 1000 };
export const quickEffort: Effort = { repeats: 1, jsonSeconds: 2, sseSeconds: 2, pacedSeconds: 1.5, warmupMs: 700 };

export const jsonConnections = 32;
export const sseStreams = 64;
/** A just-in-time compiler has to see its target's code first: node's takes longest (Portkey: 3200 µs a request, then 900). */
const warmSeconds: Record<TargetName, number> = { direct: 1, nginx: 1, labmesh: 3, portkey: 8 };
/** Memory is read after this many requests at least. */
const rssRequestsMin = 100_000;
/** CPU runs of the slow peer: at a hundredth of the throughput its numbers move less than the machine does. */
const portkeyCpuRuns = 1;

/** Runs everything, targets interleaved so that a machine that slows down slows all of them. */
export async function measure(stage: Stage, effort: Effort, progress: (text: string) => void): Promise<Measurements> {
  const runs = new Map<TargetName, TargetRuns>();
  for (const name of stage.targets.keys()) {
    runs.set(name, { unmeasured: [], json: [], sse: [], paced: [], rssBytes: 0, rssAfterRequests: 0 });
  }
  const json: LoadRun = {
    mode: 'closed',
    connections: jsonConnections,
    seconds: effort.jsonSeconds,
    warmupMs: effort.warmupMs,
  };
  const sse: LoadRun = { mode: 'sse', connections: sseStreams, seconds: effort.sseSeconds, warmupMs: effort.warmupMs };
  for (const [name, target] of stage.targets) {
    progress(`${name}, warm-up`);
    const seconds = warmSeconds[name];
    for (const run of [
      { ...json, seconds },
      { ...sse, seconds: seconds / 2 },
    ]) {
      runs.get(name)?.unmeasured.push(await runLoad(stage, target, run));
    }
  }
  await interleave(
    stage,
    effort,
    progress,
    async (target, into) => {
      into.json.push(await runLoad(stage, target, json));
      into.sse.push(await runLoad(stage, target, sse));
    },
    runs,
  );

  const rate = halfOfMost(runs.get('labmesh'));
  const portkeyRate = halfOfMost(runs.get('portkey'));
  const directAtPortkeyRate: LoadResult[] = [];
  const paced = (perSecond: number): LoadRun => ({
    ...json,
    mode: 'paced',
    seconds: effort.pacedSeconds,
    rate: perSecond,
  });
  await interleave(
    stage,
    effort,
    progress,
    async (target, into) => {
      const itsRate = target.name === 'portkey' ? portkeyRate : rate;
      into.paced.push(await runLoad(stage, target, paced(itsRate)));
      const direct = stage.targets.get('direct');
      if (target.name === 'portkey' && direct) directAtPortkeyRate.push(await runLoad(stage, direct, paced(itsRate)));
    },
    runs,
  );

  for (const [name, target] of stage.targets) await readMemory(stage, target, runs.get(name) as TargetRuns, json);
  return { runs, directAtPortkeyRate, rate, portkeyRate };
}

async function interleave(
  stage: Stage,
  effort: Effort,
  progress: (text: string) => void,
  step: (target: Target, into: TargetRuns) => Promise<void>,
  runs: Map<TargetName, TargetRuns>,
): Promise<void> {
  for (let repeat = 0; repeat < effort.repeats; repeat++) {
    for (const [name, target] of stage.targets) {
      if (repeat >= times(name)) continue;
      progress(`${name}, ${what} ${repeat + 1} of ${times(name)}`);
      await step(target, runs.get(name) as TargetRuns);
    }
  }
}

function halfOfMost(runs: TargetRuns | undefined): number {
  return Math.max(1, Math.round(median((runs?.json ?? []).map((run) => run.rps)) / 2) || 1);
}

/** Reads memory; ours is topped up to `rssRequestsMin` requests first. */
async function readMemory(stage: Stage, target: Target, into: TargetRuns, json: LoadRun): Promise<void> {
  const answered = () =>
    [...into.unmeasured, ...into.json, ...into.sse, ...into.paced].reduce((sum, run) => sum + run.requests, 0);
  const lacking = rssRequestsMin - answered();
  if (target.name === 'labmesh' && lacking > 0) {
    into.unmeasured.push(await runLoad(stage, target, { ...json, requests: lacking, warmupMs: 0 }));
  }
  into.rssBytes = target.process.rssBytes;
  into.rssAfterRequests = answered();
}
