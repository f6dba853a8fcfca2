import { expect, test } from 'bun:test';
import { missedGoals } from '../report.ts';
import type { LinkCosts } from './measure-links.ts';
import { fleetGoals, fleetTable, linkMetrics, withRatios } from './summary.ts';

const costs = (more: Partial<LinkCosts>): LinkCosts => ({
  acceptCpuMs: 1,
  kibPerAgent: 30,
  rssMib: 100,
  emptyCpuPercent: 1,
  idleCpuPercent: 3,
  beatCpuUs: 150,
  ...more,
});

test('ratios are of the medians', () => {
  const labd = [costs({}), costs({ acceptCpuMs: 9 }), costs({ acceptCpuMs: 1.2 })];
  const bare = [costs({ acceptCpuMs: 0.5, kibPerAgent: 20 })];
  expect(withRatios(linkMetrics(labd, bare))).toMatchObject({
    accept_cpu_ms: 1.2,
    accept_cpu_ratio_bare: 2.4,
    memory_ratio_bare: 1.5,
  });
});

test('what was not measured is a missed goal and no row of the table', () => {
  const metrics = withRatios(linkMetrics([costs({})], [costs({})]));
  expect(missedGoals(metrics, fleetGoals)).toContain('certificates_per_s: not measured');
  const table = fleetTable(metrics);
  expect(table).toContain('≤ 40');
  expect(table).not.toContain('certificates');
});

test('every goal has its row in the table', () => {
  const metrics = Object.fromEntries(fleetGoals.map(({ metric }) => [metric, 1]));
  const shown = fleetTable(metrics);
  for (const { metric, max, min } of fleetGoals)
    expect([metric, shown.includes(max === undefined ? `≥ ${min}` : `≤ ${max}`)]).toEqual([metric, true]);
});
