/** ME-1 over a whole labd: every name of the list is on the page, and tells what is so. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { parseOptions } from '@labmesh/kit/options';
import { openStore } from '@labmesh/store/open-store';
import { Labd } from './labd.ts';
import { serveMetrics } from './metrics.ts';
import { labdOptions } from './settings/labd-options.ts';

const listed = [
  'agents',
  'link_accepts_total',
  'exec_total',
  'relay_bytes_total',
  'audit_commit_seconds',
  'audit_queue',
  'sink_lag_seconds',
  'denylist_age_seconds',
  'cert_expiry_seconds',
  'store_retry_total',
  'loop_delay_seconds',
];
const stack = new AsyncDisposableStack();
let labd: Labd;
let url: string;

beforeAll(async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'labmesh-metrics-'));
  stack.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const { values } = parseOptions(labdOptions, { argv: [], env: {} });
  const any = '127.0.0.1:0';
  const options = {
    ...values,
    dataDir,
    listen: any,
    agentListen: any,
    conplaneListen: any,
    metricsListen: any,
    adminSocket: join(dataDir, 'a.sock'),
    // The second one is a folder: it takes nothing.
    auditSinks: [`file://${dataDir}/audit.jsonl`, `file://${dataDir}#name=https://u:hunter2@x`],
  };
  // Each transaction is done twice, as after a conflict of the database.
  const store = stack.use(await openStore({ url: 'sqlite::memory:', injectFaults: 'twice' }));
  labd = stack.use(await Labd.start(options, { clock: systemClock, log: silentLogger, version: '0.0.0', store }));
  const { port } = stack.use(await serveMetrics(labd));
  url = `http://127.0.0.1:${port}/metrics`;
  await labd.ready;
});
afterAll(() => stack.disposeAsync());

const page = async () => (await fetch(url)).text();
/** Values of a metric by its labels, as they are written. */
async function valuesOf(name: string): Promise<Record<string, number>> {
  const found = (await page()).matchAll(new RegExp(`^labmesh_labd_${name}(\\{[^}]*\\})? (\\S+)$`, 'gm'));
  return Object.fromEntries([...found].map(([, labels = '', value]) => [labels, Number(value)]));
}
/** Waits until what is read passes, and gives it. */
async function until<T>(read: () => Promise<T>, passes: (found: T) => boolean): Promise<T> {
  const end = performance.now() + 20_000;
  for (;;) {
    const found = await read();
    if (passes(found) || performance.now() > end) return found;
    await Bun.sleep(50);
  }
}

describe('ME-1', () => {
  test('every name is declared', async () => {
    const text = await page();
    expect(listed.filter((name) => !text.includes(`# TYPE labmesh_labd_${name} `))).toEqual([]);
  });

  test('commits of the audit log are timed', async () => {
    const core = await labd.ready;
    const before = (await valuesOf('audit_commit_seconds_count'))[''] ?? 0;
    const principal = { kind: 'system', id: 'test', name: 'test' } as const;
    await core.audit.append({ principal, phase: 'single', action: 'test', result: 'ok' });
    expect((await valuesOf('audit_commit_seconds_count'))['']).toBeGreaterThan(before);
    expect((await valuesOf('audit_commit_seconds_sum'))['']).toBeGreaterThan(0);
  });

  test('CA-12: the CA’s own ends, by kind', async () => {
    const ends = await valuesOf('cert_expiry_seconds');
    const year = 365 * 86_400;
    expect(ends['{kind="root"}']).toBeGreaterThan(9 * year);
    expect(ends['{kind="intermediate"}']).toBeWithin(0.9 * year, 1.1 * year);
  });

  test('sinks are told by their place, not by an address, with what they are behind', async () => {
    const lags = await until(
      () => valuesOf('sink_lag_seconds'),
      (found) => (found['{sink="audit.sinks[1]"}'] ?? 0) > 0 && found['{sink="audit.sinks[0]"}'] === 0,
    );
    expect(Object.keys(lags)).toEqual(['{sink="audit.sinks[0]"}', '{sink="audit.sinks[1]"}']);
    expect(lags['{sink="audit.sinks[0]"}']).toBe(0);
    expect(lags['{sink="audit.sinks[1]"}']).toBeGreaterThan(0);
    expect(await page()).not.toContain('hunter2');
  });

  test('what the database repeats, how late the loop is, whom the doors turned away', async () => {
    expect((await valuesOf('store_retry_total'))['']).toBeGreaterThan(0);
    const late = await until(
      () => valuesOf('loop_delay_seconds'),
      (found) => (found[''] ?? 0) > 0,
    );
    expect(late['']).toBeWithin(0, 60);
    expect(Object.keys(await valuesOf('turned_away_total'))).toEqual([
      '{listener="api"}',
      '{listener="agent"}',
      '{listener="node"}',
    ]);
    expect(Object.values(await valuesOf('handshakes_failed_total'))).toEqual([0, 0, 0]);
  });
});
