/**
 * Tool servers as a tenant sees them (verification AR18), and what a monitor reads of the arena: counts of runs and calls,
 * which are of all tenants and so for none of them.
 */
import { Metrics, metricsContentType } from '@labmesh/kit/metrics';
import type { ToolServerList } from '@labmesh/wire/verification/tools/tool-use';
import { Hono } from 'hono';
import type { ToolBox } from '../../generate/tools/tool-box.ts';
import type { Runs } from '../../runs/open-runs.ts';
import { tenantOf } from '../arena-caller.ts';

/** Asked with the secret that gateway and arena share; the gateway passes nobody on to it. */
export const metricsPath = '/metrics';

export type ToolParts = {
  tools: Pick<ToolBox, 'describe' | 'counts' | 'stats'>;
  runs: Pick<Runs, 'stats'>;
};

function arenaMetrics({ tools, runs }: ToolParts): Metrics {
  const metrics = new Metrics('labmesh_arena_');
  const ofServers = (count: 'calls' | 'cached' | 'failed') => () =>
    tools.counts.map((one) => ({ labels: [one.server], value: one[count] }));
  const counter = (name: string, help: string, count: Parameters<typeof ofServers>[0]) =>
    metrics.counter(name, help, { labels: ['server'], read: ofServers(count) });
  counter('tool_calls_total', 'Calls of tools by candidates', 'calls');
  counter('tool_calls_cached_total', 'Of these, those answered by the result of an equal call', 'cached');
  counter('tool_calls_failed_total', 'Of these, those that gave no result', 'failed');
  const gauge = (name: string, help: string, read: () => number) => metrics.gauge(name, help, { read });
  gauge('tool_cache_entries', 'Results of tools that are kept', () => tools.stats.entries);
  gauge('tool_calls_running', 'Calls of tools under way', () => tools.stats.running);
  gauge('tool_calls_waiting', 'Calls of tools that wait for a place', () => tools.stats.waiting);
  gauge('runs_running', 'Runs under way', () => runs.stats().running);
  gauge('runs_queued', 'Runs that wait', () => runs.stats().queued);
  return metrics;
}

export function toolRoutes(parts: ToolParts): Hono {
  const app = new Hono();
  const metrics = arenaMetrics(parts);
  app.get('/api/arena/tools', async (c) => {
    const view: ToolServerList = await parts.tools.describe(tenantOf(c), c.req.raw.signal);
    return c.json(view);
  });
  app.get(metricsPath, (c) => c.body(metrics.render(), 200, { 'content-type': metricsContentType }));
  return app;
}
