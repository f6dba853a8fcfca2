import { median } from '../percentile.ts';
import { cell, type Goal, markdownTable } from '../report.ts';
import type { LinkCosts } from './measure-links.ts';

/** What `--assert` holds the fleet plane to; ratios are within one run. */
export const fleetGoals: readonly Goal[] = [
  { metric: 'kib_per_agent', max: 40 },
  { metric: 'memory_ratio_bare', max: 1.5 },
  { metric: 'rss_mib_all_agents', max: 200 },
  { metric: 'accept_cpu_ms', max: 2 },
  { metric: 'accept_cpu_ratio_bare', max: 1.3 },
  { metric: 'wait_p99_added_ms', max: 5 },
  { metric: 'idle_cpu_percent', max: 5 },
  { metric: 'exec_p50_ms', max: 2 },
  { metric: 'exec_real_ratio_local_spawn', max: 4 },
  { metric: 'fan_out_ratio', max: 125 },
  { metric: 'certificates_per_s', min: 150 },
  { metric: 'issue_ratio_library', min: 0.8 },
  { metric: 'audit_rows_s', min: 10_000 },
  { metric: 'audit_batch_ratio', min: 5 },
  { metric: 'stream_ratio_raw_tls', min: 0.5 },
  { metric: 'stream_ratio_recorded', min: 0.8 },
  { metric: 'stream_ratio_peer', min: 0.7 },
];

/** The rounds of labd and of the bare server as metrics: medians. */
export function linkMetrics(labd: readonly LinkCosts[], bare: readonly LinkCosts[]): Record<string, number> {
  const middle = (runs: readonly LinkCosts[], key: keyof LinkCosts) =>
    median(runs.map((one) => one[key] ?? Number.NaN));
  const metrics: Record<string, number> = {};
  for (const [end, runs] of [
    ['', labd],
    ['_bare', bare],
  ] as const) {
    metrics[`accept_cpu_ms${end}`] = middle(runs, 'acceptCpuMs');
    metrics[`kib_per_agent${end}`] = middle(runs, 'kibPerAgent');
    metrics[`rss_mib_all_agents${end}`] = middle(runs, 'rssMib');
    metrics[`empty_cpu_percent${end}`] = middle(runs, 'emptyCpuPercent');
    metrics[`idle_cpu_percent${end}`] = middle(runs, 'idleCpuPercent');
    metrics[`beat_cpu_us${end}`] = middle(runs, 'beatCpuUs');
  }
  metrics['wait_p99_ms_empty'] = middle(labd, 'emptyWaitMs');
  metrics['wait_p99_ms'] = middle(labd, 'idleWaitMs');
  metrics['wait_p99_added_ms'] = median(
    labd.map((one) => (one.idleWaitMs ?? Number.NaN) - (one.emptyWaitMs ?? Number.NaN)),
  );
  return metrics;
}

/** What follows from what was measured. */
export function withRatios(metrics: Record<string, number>): Record<string, number> {
  const ratio = (over: string, under: string) => (metrics[over] ?? Number.NaN) / (metrics[under] ?? Number.NaN);
  return {
    ...metrics,
    accept_cpu_ratio_bare: ratio('accept_cpu_ms', 'accept_cpu_ms_bare'),
    memory_ratio_bare: ratio('kib_per_agent', 'kib_per_agent_bare'),
    stream_ratio_raw_tls: ratio('stream_mb_s_forward', 'stream_mb_s_raw_tls'),
    stream_ratio_recorded: ratio('stream_mb_s_exec', 'stream_mb_s_exec_unrecorded'),
    stream_ratio_peer: ratio('stream_mb_s_peer', 'stream_mb_s_direct'),
  };
}

type Row = [what: string, metric: string, digits: number];
const rows: readonly Row[] = [
  ['KiB for one more agent', 'kib_per_agent', 1],
  ['… bare TLS + WebSocket', 'kib_per_agent_bare', 1],
  ['… ours / bare', 'memory_ratio_bare', 2],
  ['MiB of labd with all agents', 'rss_mib_all_agents', 0],
  ['CPU ms an accept', 'accept_cpu_ms', 2],
  ['… bare', 'accept_cpu_ms_bare', 2],
  ['… ours / bare', 'accept_cpu_ratio_bare', 2],
  ['ms a request waits for the loop without agents, p99', 'wait_p99_ms_empty', 2],
  ['… with all of them, more', 'wait_p99_added_ms', 2],
  ['% of a core without agents', 'empty_cpu_percent', 1],
  ['% of a core while all beat', 'idle_cpu_percent', 1],
  ['CPU µs a heartbeat adds', 'beat_cpu_us', 0],
  ['… bare', 'beat_cpu_us_bare', 0],
  ['exec p50 ms, one at a time', 'exec_p50_ms', 2],
  ['exec p99 ms', 'exec_p99_ms', 2],
  ['exec p50 ms, unrecorded', 'exec_unrecorded_p50_ms', 2],
  ['exec p50 ms, real agent', 'exec_real_p50_ms', 2],
  ['… / local spawn', 'exec_real_ratio_local_spawn', 2],
  ['CPU ms of labd an exec, one at a time', 'exec_cpu_ms', 2],
  ['execs/s, 8 in flight', 'exec_parallel_per_s', 0],
  ['CPU ms of labd an exec, 8 in flight', 'exec_parallel_cpu_ms', 2],
  ['500 execs at once, ms', 'fan_out_ms', 0],
  ['… / one exec on a real agent', 'fan_out_ratio', 0],
  ['certificates/s, request to committed answer', 'certificates_per_s', 0],
  ['CPU ms of labd a certificate', 'certificate_cpu_ms', 2],
  ['certificates/s in process', 'issue_per_s', 0],
  ['… / bare library', 'issue_ratio_library', 2],
  ['audit rows/s in groups, SQLite', 'audit_rows_s', 0],
  ['audit rows/s in groups, PostgreSQL', 'audit_rows_s_postgres', 0],
  ['audit rows/s one by one, SQLite', 'audit_single_rows_s', 0],
  ['… groups / one by one', 'audit_batch_ratio', 0],
  ['MB/s exec, recorded', 'stream_mb_s_exec', 0],
  ['MB/s exec, unrecorded', 'stream_mb_s_exec_unrecorded', 0],
  ['MB/s port-forward', 'stream_mb_s_forward', 0],
  ['MB/s cp', 'stream_mb_s_copy', 0],
  ['MB/s raw TLS copy', 'stream_mb_s_raw_tls', 0],
  ['port-forward / raw TLS copy', 'stream_ratio_raw_tls', 2],
  ['exec recorded / unrecorded', 'stream_ratio_recorded', 2],
  ['MB/s port-forward, not pinned', 'stream_mb_s_direct', 0],
  ['… through another replica', 'stream_mb_s_peer', 0],
  ['… by the peer / direct', 'stream_ratio_peer', 2],
  ['CPU ms of labd a MB, exec, recorded', 'stream_cpu_ms_per_mb_exec', 2],
  ['CPU ms of labd a MB, port-forward', 'stream_cpu_ms_per_mb_forward', 2],
  ['CPU ms a MB, raw TLS copy', 'stream_cpu_ms_per_mb_raw_tls', 2],
];

/** What was measured, beside what is to be reached. */
export function fleetTable(metrics: Record<string, number>): string {
  const goal = (metric: string) => {
    const found = fleetGoals.find((one) => one.metric === metric);
    if (found === undefined) return '';
    return found.max === undefined ? `≥ ${found.min}` : `≤ ${found.max}`;
  };
  const shown = rows.filter(([, metric]) => metrics[metric] !== undefined);
  return markdownTable(
    ['what', 'measured', 'goal'],
    shown.map(([what, metric, digits]) => [what, cell(metrics[metric], digits), goal(metric)]),
  );
}
