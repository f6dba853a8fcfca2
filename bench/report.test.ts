import { expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineFacts, markdownTable, missedGoals, tidyMetrics, writeReport, type Report } from './report.ts';

test('metrics are rounded, sorted, and absent when they were not measured', () => {
  const tidy = tidyMetrics({ b_us: 13.64219, a_rps: 70_123, c_ratio: Number.NaN, d_ratio: Number.POSITIVE_INFINITY });
  expect(Object.entries(tidy)).toEqual([
    ['a_rps', 70_120],
    ['b_us', 13.64],
  ]);
});

test('a goal is missed when its metric is over, under or absent', () => {
  const goals = [
    { metric: 'ratio', max: 4 },
    { metric: 'gain', min: 10 },
    { metric: 'rss_mb', max: 120 },
  ];
  expect(missedGoals({ ratio: 4, gain: 10, rss_mb: 1 }, goals)).toEqual([]);
  expect(missedGoals({ ratio: 4.1, gain: 9.9 }, goals)).toEqual([
    'ratio: 4.1 is over 4',
    'gain: 9.9 is under 10',
    'rss_mb: not measured',
  ]);
});

test('a table is padded Markdown', () => {
  expect(markdownTable(['target', 'µs'], [['nginx', '13.6'], ['ours']])).toBe(
    ['| target |   µs |', '| ------ | ---: |', '| nginx  | 13.6 |', '| ours   |      |'].join('\n'),
  );
});

test('a report reads back as it was written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-report-'));
  try {
    const report: Report = {
      bench: 'x',
      date: '2026-01-01T00:00:00.000Z',
      machine: machineFacts(true),
      versions: {},
      metrics: { a: 1 },
      notes: [],
    };
    const path = writeReport(report, join(folder, 'deep/x.json'));
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(report);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
