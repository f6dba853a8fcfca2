import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { Metrics } from '@labmesh/kit/metrics';
import { auditBench, type AuditBench, chain, entry, pass, tester, turns } from '../testing/audit-bench.ts';
import { AuditSinks } from './audit-sinks.ts';
import { openSink } from './open-sink.ts';

let folder: string;
let bench: AuditBench;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-sinks-'));
  bench = await auditBench();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
const clock = new FakeClock();

test('AU-6: each kind of sink by its address; options behind #', () => {
  const secret = join(folder, 'secret');
  writeFileSync(secret, 'a secret of the hook\n');
  const names = [
    'file:///var/log/a%20b.jsonl',
    'syslog+tls://logs.example',
    'syslog+tls://[::1]:1234#name=loghost',
    `https://hooks.example/a?b=c#secret_file=${secret}`,
    `http://127.0.0.1:8080/#secret_file=${secret}`,
  ].map((text) => openSink(text, clock).name);
  expect(names).toEqual([
    'file:///var/log/a%20b.jsonl',
    'syslog+tls://logs.example',
    'loghost',
    'https://hooks.example/a?b=c',
    'http://127.0.0.1:8080/',
  ]);
});

const refused: [string, RegExp][] = [
  ['nonsense', /expected file:/],
  ['files:///x', /no sink; did you mean file:/],
  ['file://host/x', /absolute path/],
  ['file:///x#nam=y', /"nam" is not known; did you mean name\?/],
  ['syslog+tls://', /host is missing/],
  ['syslog+tls://h#cert_file=/nonexistent', /cannot be read/],
  ['https://user:pass@h/#secret_file=/x', /no user or password/],
  ['https://h/', /needs secret_file/],
  ['https://h/#secret_file=/nonexistent', /cannot be read/],
  ['http://h/#secret_file=/x', /only to this machine/],
];
test.each(refused)('%s is refused', (text, message) => {
  expect(() => openSink(text, clock, 'audit.sinks[2]')).toThrow(message);
  expect(() => openSink(text, clock, 'audit.sinks[2]')).toThrow('audit.sinks[2]');
  expect(() => openSink(text, clock)).not.toThrow('/nonexistent');
});

test('two sinks of one name are refused before any starts', () => {
  const parts = { store: bench.store, own: chain, metrics: new Metrics(), clock, log: silentLogger };
  expect(() => AuditSinks.start(parts, ['file:///a#name=x', 'file:///b#name=x'])).toThrow('two of one name');
});

test('AU-6: sinks go on without each other, and carry what a replica that is gone has left', async () => {
  await using log = await bench.open();
  const seen = bench.clock.wall();
  await bench.store.write(tester, (tx) =>
    tx
      .insertInto('replicas')
      .values({
        id: 'alive',
        created_at: 0,
        peer_url: null,
        agent_url: null,
        version: '1',
        started_at: 0,
        seen_at: seen,
        keks: '[]',
      })
      .execute(),
  );
  for (const other of ['gone', 'alive']) {
    await using theirs = await bench.open({ chain: other });
    await theirs.append(entry(other));
  }
  await log.append(entry('own'));
  const path = join(folder, 'audit.jsonl');
  const alarms: string[] = [];
  const metrics = new Metrics();
  const onAlarm = (name: string) => alarms.push(name);
  const parts = { store: bench.store, own: chain, metrics, clock: bench.clock, log: silentLogger, onAlarm };
  await using _sinks = AuditSinks.start(parts, [`file://${path}`, `file://${folder}#name=broken`]);
  /** As /metrics tells it: never by an address. */
  const lagS = (index: number) =>
    Number(new RegExp(`sink_lag_seconds\\{sink="audit\\.sinks\\[${index}\\]"\\} (\\S+)`).exec(metrics.render())?.[1]);
  await turns(60);
  const actions = () =>
    readFileSync(path, 'utf8')
      .split('\n')
      // Whole lines only: it is being written.
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { action: string }).action)
      // At least once: a cursor that could not be written in time brings a line a second time.
      .filter((action, at, all) => action !== all[at - 1]);
  // A real file is written: how soon is the machine's business.
  const reaches = async (wanted: string[], stepMs = 0) => {
    const isThere = async () => (await Bun.file(path).exists()) && Bun.deepEquals(actions(), wanted);
    for (let wait = 0; wait < 400 && !(await isThere()); wait++) {
      await bench.clock.advance(stepMs);
      await Bun.sleep(10);
    }
    expect(actions()).toEqual(wanted);
  };
  await reaches(['own', 'gone']);
  await log.append(entry('next'));
  // In steps: it may not sleep yet when the row is there.
  await reaches(['own', 'gone', 'next'], 250);
  for (let wait = 0; wait < 400 && lagS(0) !== 0; wait++) await Bun.sleep(10);
  expect(lagS(0)).toBe(0);
  // Slowly: the file is a real one, and must not seem silent.
  for (let step = 0; step < 200; step++) {
    await bench.clock.advance(2_000);
    await Bun.sleep(2);
  }
  expect(lagS(1)).toBeGreaterThan(300);
  // The other replica fell silent meanwhile.
  await pass(bench.clock, 5_000, 1_000);
  await reaches(['own', 'gone', 'next', 'alive']);
  expect(alarms).toContain('broken');
});
