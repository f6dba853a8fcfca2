import { expect, test } from 'bun:test';
import type { LoadResult } from '../load/window.ts';
import { missedGoals, tidyMetrics } from '../report.ts';
import type { Measurements, TargetRuns } from './measure.ts';
import { relayTable } from './relay-table.ts';
import { otherLoadNote, relayGoals, relayMetrics } from './summary.ts';

function run(targetUs: number, part: Partial<LoadResult> = {}): LoadResult {
  const cpuUs = { target: targetUs, upstream: 6000, load: 7000 };
  return {
    seconds: 1,
    requests: 1000,
    errors: 0,
    failures: [],
    events: 0,
    rps: 1000,
    p50Ms: 0.1,
    p99Ms: 0.5,
    cpuUs,
    ...part,
  };
}

function runs(jsonUs: number, eventUs: number, part: Partial<LoadResult> = {}): TargetRuns {
  return {
    unmeasured: [],
    json: [run(jsonUs * 1000, part), run(jsonUs * 1000, part), run(jsonUs * 9000, part)],
    sse: [run(eventUs * 1000, { events: 1000 })],
    paced: [run(0, { p50Ms: 0.1 + jsonUs / 1000 })],
    rssBytes: 50e6,
    rssAfterRequests: 100_000,
  };
}

const measured: Measurements = {
  runs: new Map([
    ['direct', runs(0, 0)],
    ['nginx', runs(10, 8)],
    ['labmesh', runs(20, 8)],
  ]),
  directAtPortkeyRate: [],
  rate: 500,
  portkeyRate: 1,
};

test('metrics are medians per request and per event, and ratios of them', () => {
  expect(tidyMetrics(relayMetrics(measured))).toMatchObject({
    json_cpu_us_nginx: 10,
    json_cpu_us_labmesh: 20,
    json_cpu_ratio_nginx: 2,
    sse_cpu_us_event_labmesh: 8,
    sse_cpu_ratio_nginx: 1,
    added_p50_ms_labmesh: 0.02,
    upstream_cpu_us: 6,
    load_cpu_us: 7,
    rss_mb: 50,
    error_rate_labmesh: 0,
  });
});

test('a target that could not be had leaves no metrics, misses its goal and says so in the table', () => {
  const metrics = tidyMetrics(relayMetrics(measured));
  expect(metrics).not.toHaveProperty('json_cpu_ratio_portkey');
  expect(missedGoals(metrics, relayGoals)).toEqual(['json_cpu_ratio_portkey: not measured']);
  expect(relayTable(metrics, new Map([['portkey', 'npm is down']]))).toContain('not obtainable');
});

test('one error in any run shows in the error rate', () => {
  const broken = new Map([...measured.runs, ['labmesh', runs(20, 8, { errors: 1 })] as const]);
  const { error_rate_labmesh: rate } = relayMetrics({ ...measured, runs: broken });
  expect(rate).toBeGreaterThan(0);
});

test('a closed loop that left both sides idle is called disturbed', () => {
  expect(otherLoadNote({ json_core_busy_nginx: 0.93, json_generator_busy_nginx: 0.7 })).toEqual([]);
  expect(otherLoadNote({ json_core_busy_nginx: 0.42, json_generator_busy_nginx: 0.45 })).toHaveLength(1);
  expect(otherLoadNote({})).toEqual([]);
});
