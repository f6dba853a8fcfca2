import { cell, markdownTable } from '../report.ts';
import { targetNames, type TargetName } from './target.ts';

const header = [
  'target',
  'JSON CPU µs',
  '× nginx',
  'req/s',
  'core busy',
  'SSE CPU µs/event',
  '× nginx',
  'events/s',
  'added p50 ms',
  'added p99 ms',
  'RSS MB',
  'errors %',
];

/** The result as Markdown; a target that could not be had says why. */
export function relayTable(metrics: Record<string, number>, missing: ReadonlyMap<TargetName, string>): string {
  const rows = targetNames.map((name) => (missing.has(name) ? [name, 'not obtainable'] : targetRow(name, metrics)));
  return markdownTable(header, rows);
}

function targetRow(name: TargetName, metrics: Record<string, number>): string[] {
  const of = (metric: string) => metrics[`${metric}_${name}`];
  const timesNginx = (metric: string) => (of(metric) ?? Number.NaN) / (metrics[`${metric}_nginx`] ?? Number.NaN);
  return [
    name,
    cell(of('json_cpu_us')),
    cell(timesNginx('json_cpu_us'), 2),
    cell(of('json_rps'), 0),
    cell(of('json_core_busy'), 2),
    cell(of('sse_cpu_us_event')),
    cell(timesNginx('sse_cpu_us_event'), 2),
    cell(of('sse_events_per_s'), 0),
    cell(of('added_p50_ms'), 3),
    cell(of('added_p99_ms'), 3),
    cell(of('rss_mb'), 0),
    cell((of('error_rate') ?? Number.NaN) * 100, 3),
  ];
}

/** What a reader has to know to believe the table: whether load and upstream had room to spare. */
export function generatorLines(metrics: Record<string, number>): string[] {
  const of = (metric: string, digits = 1) => cell(metrics[metric], digits);
  const busy = targetNames.map(
    (name) => `${name} ${of(`json_generator_busy_${name}`, 2)}/${of(`sse_generator_busy_${name}`, 2)}`,
  );
  return [
    `Load and upstream alone: ${of('direct_rps', 0)} req/s; load ${of('load_cpu_us')} + upstream ${of('upstream_cpu_us')} µs a request, ` +
      `${of('load_cpu_us_event')} + ${of('upstream_cpu_us_event')} µs an event.`,
    `Cores they kept busy (JSON/SSE): ${busy.join(', ')}.`,
    `Latency at ${of('latency_rate_rps', 0)} req/s (half of labmesh's most); portkey at ${of('latency_rate_rps_portkey', 0)}.`,
  ];
}
