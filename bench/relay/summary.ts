import type { LoadResult } from '../load/window.ts';
import { median } from '../percentile.ts';
import type { Goal } from '../report.ts';
import type { Measurements, TargetRuns } from './measure.ts';
import type { TargetName } from './target.ts';

/** What `--assert` holds labmesh to. */
export const relayGoals: readonly Goal[] = [
  { metric: 'json_cpu_ratio_nginx', max: 4 },
  { metric: 'sse_cpu_ratio_nginx', max: 1.2 },
  { metric: 'json_cpu_ratio_portkey', min: 10 },
  { metric: 'rss_mb', max: 120 },
  { metric: 'error_rate_labmesh', max: 0 },
];

/** All runs as flat metrics: medians over repeats. What was not measured comes out as NaN and is dropped by the report. */
export function relayMetrics(measured: Measurements): Record<string, number> {
  const metrics: Record<string, number> = {};
  for (const [name, runs] of measured.runs) Object.assign(metrics, targetMetrics(name, runs));
  const direct = measured.runs.get('direct');
  if (direct !== undefined) Object.assign(metrics, directMetrics(direct), addedLatency(measured, direct.paced));
  const ratio = (over: string, under: string) => (metrics[over] ?? Number.NaN) / (metrics[under] ?? Number.NaN);
  metrics.json_cpu_ratio_nginx = ratio('json_cpu_us_labmesh', 'json_cpu_us_nginx');
  metrics.sse_cpu_ratio_nginx = ratio('sse_cpu_us_event_labmesh', 'sse_cpu_us_event_nginx');
  metrics.json_cpu_ratio_portkey = ratio('json_cpu_us_portkey', 'json_cpu_us_labmesh');
  metrics.sse_cpu_ratio_portkey = ratio('sse_cpu_us_event_portkey', 'sse_cpu_us_event_labmesh');
  metrics.rss_mb = metrics.rss_mb_labmesh ?? Number.NaN;
  metrics.latency_rate_rps = measured.rate;
  if (measured.runs.has('portkey')) metrics.latency_rate_rps_portkey = measured.portkeyRate;
  return metrics;
}

/** Share of its core below which a closed loop's slower side was kept waiting by something that is not the bench. */
const busyMin = 0.85;

/** Says so when other work on the machine took part in the run; a closed loop keeps one of its sides fully busy. */
export function otherLoadNote(metrics: Record<string, number>): string[] {
  const busy = Math.max(metrics.json_core_busy_nginx ?? 1, metrics.json_generator_busy_nginx ?? 1);
  return busy >= busyMin
    ? []
    : [`other work took CPU during the run (nginx's busiest side: ${busy.toFixed(2)}): repeat it`];
}

function targetMetrics(name: TargetName, runs: TargetRuns): Record<string, number> {
  const { unmeasured, json, sse, paced, rssBytes, rssAfterRequests } = runs;
  const all = [...unmeasured, ...json, ...sse, ...paced];
  const requests = all.reduce((sum, run) => sum + run.requests, 0);
  const errors = all.reduce((sum, run) => sum + run.errors, 0);
  const metrics: Record<string, number> = {
    [`json_rps_${name}`]: middle(json, (run) => run.rps),
    [`json_generator_busy_${name}`]: middle(json, generatorBusy),
    [`sse_events_per_s_${name}`]: middle(sse, (run) => run.events / run.seconds),
    [`sse_generator_busy_${name}`]: middle(sse, generatorBusy),
    [`p50_ms_${name}`]: middle(paced, (run) => run.p50Ms),
    [`p99_ms_${name}`]: middle(paced, (run) => run.p99Ms),
    [`error_rate_${name}`]: errors / requests,
  };
  if (name === 'direct') return metrics;
  metrics[`json_cpu_us_${name}`] = middle(json, (run) => cpuOf(run, 'target') / goodRequests(run));
  metrics[`json_core_busy_${name}`] = middle(json, (run) => cpuOf(run, 'target') / microseconds(run));
  metrics[`sse_cpu_us_event_${name}`] = middle(sse, (run) => cpuOf(run, 'target') / run.events);
  metrics[`rss_mb_${name}`] = rssBytes / 1e6;
  metrics[`rss_after_requests_${name}`] = rssAfterRequests;
  return metrics;
}

/** What upstream and load cost by themselves: they must have room to spare for the targets' numbers to mean anything. */
function directMetrics({ json, sse }: TargetRuns): Record<string, number> {
  return {
    direct_rps: middle(json, (run) => run.rps),
    upstream_cpu_us: middle(json, (run) => cpuOf(run, 'upstream') / goodRequests(run)),
    load_cpu_us: middle(json, (run) => cpuOf(run, 'load') / goodRequests(run)),
    upstream_cpu_us_event: middle(sse, (run) => cpuOf(run, 'upstream') / run.events),
    load_cpu_us_event: middle(sse, (run) => cpuOf(run, 'load') / run.events),
  };
}

function addedLatency(measured: Measurements, direct: readonly LoadResult[]): Record<string, number> {
  const metrics: Record<string, number> = {};
  for (const [name, { paced }] of measured.runs) {
    if (name === 'direct') continue;
    const base = name === 'portkey' ? measured.directAtPortkeyRate : direct;
    metrics[`added_p50_ms_${name}`] = middle(paced, (run) => run.p50Ms) - middle(base, (run) => run.p50Ms);
    metrics[`added_p99_ms_${name}`] = middle(paced, (run) => run.p99Ms) - middle(base, (run) => run.p99Ms);
  }
  return metrics;
}

function middle(runs: readonly LoadResult[], value: (run: LoadResult) => number): number {
  return median(runs.map(value));
}

function cpuOf(run: LoadResult, tree: 'target' | 'upstream' | 'load'): number {
  return run.cpuUs[tree] ?? Number.NaN;
}

function goodRequests(run: LoadResult): number {
  return run.requests - run.errors;
}

function microseconds(run: LoadResult): number {
  return run.seconds * 1e6;
}

/** Cores kept busy by load and upstream together. */
function generatorBusy(run: LoadResult): number {
  return (cpuOf(run, 'load') + cpuOf(run, 'upstream')) / microseconds(run);
}
