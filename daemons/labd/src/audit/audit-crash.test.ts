/** P5: what was acknowledged stands, whatever happens to the process or the database, and the chain holds. */
import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import fc from 'fast-check';
import type { AuditLog } from './audit-log.ts';
import { auditBench, chain, entry, type Fault, pass, plainSealer, tester } from './testing/audit-bench.ts';
import { AuditKeys } from './audit-keys.ts';
import { verifyAudit, verifyChain } from './verify/verify-chain.ts';

test('P5: rows acknowledged before kill -9 are there, and the chain goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-audit-'));
  const url = `sqlite://${join(folder, 'audit.db')}`;
  let last = 0;
  for (let round = 0; round < 3; round++) {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, 'testing/append-until-killed.ts'), url], {
      stdout: 'pipe',
      stderr: 'inherit',
    });
    let text = '';
    for await (const part of child.stdout) {
      text += Buffer.from(part).toString();
      if (text.length > 2_000) child.kill('SIGKILL');
    }
    await child.exited;
    const told = text.split('\n').slice(0, -1).map(Number);
    expect(Math.min(...told)).toBe(last + 1);
    await using store = await openStore({ url });
    const keys = await AuditKeys.open(store, plainSealer, systemClock.wall());
    const report = await verifyChain({ store, keys }, chain);
    expect(report).toMatchObject({ fromSeq: 1, fault: null });
    expect(report.toSeq).toBeGreaterThanOrEqual(Math.max(...told));
    last = report.toSeq;
  }
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test('acceptance 10: three replicas under load keep one valid chain each', async () => {
  await using bench = await auditBench();
  const chains = ['r1', 'r2', 'r3'];
  const options = { clock: systemClock, log: silentLogger };
  const logs = await Promise.all(chains.map((name) => bench.open({ ...options, chain: name })));
  const write = async (log: AuditLog) => {
    for (let round = 0; round < 40; round++) await Promise.all(Array.from({ length: 10 }, () => log.append(entry())));
  };
  await Promise.all(logs.flatMap((log) => [write(log), write(log)]));
  const heads = new Map(logs.map((log) => [log.chain, log.head()]));
  const report = await verifyAudit({ store: bench.store, keys: await bench.keys() }, { heads });
  expect(report.chains.map(({ chain: name, rows, fault }) => [name, rows, fault])).toEqual(
    chains.map((name) => [name, 800, null]),
  );
  for (const log of logs) await log[Symbol.asyncDispose]();
});

test('AU-3, AU-4: through any row of outages acknowledged rows stand, in order, and the chain verifies', async () => {
  const faults: Fault[] = ['none', 'away', 'lost-answer', 'hangs'];
  const step = fc.record({
    fault: fc.constantFrom(...faults),
    rows: fc.nat({ max: 5 }),
    ms: fc.constantFrom(10, 300, 2_500),
  });
  const property = fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
    await using bench = await auditBench();
    await using log = await bench.open();
    const acknowledged: number[] = [];
    let refused = 0;
    const calls: Promise<void>[] = [];
    for (const { fault, rows, ms } of steps) {
      bench.store.release();
      bench.store.fault = fault;
      for (let row = 0; row < rows; row++) {
        const call = log.append(entry(`row-${calls.length}`)).then(
          ({ seq }) => void acknowledged.push(seq),
          () => void refused++,
        );
        calls.push(call);
        log.note(entry('note'));
      }
      await pass(bench.clock, ms, 100);
    }
    bench.store.release();
    await pass(bench.clock, 5_000, 250);
    await Promise.all(calls);
    expect(acknowledged.length + refused).toBe(calls.length);
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    const report = await verifyChain({ store: bench.store, keys: log.keys }, chain, { head: log.head() });
    expect(report.fault).toBeNull();
    expect(report.toSeq).toBe(log.head().seq);
    expect(report.toSeq).toBeGreaterThanOrEqual(Math.max(0, ...acknowledged));
    const stored = await bench.store.inner.read(tester, (db) => db.selectFrom('audit_log').select('action').execute());
    const actions = stored.map(({ action }) => action).filter((action) => action !== 'note');
    // Nothing stands twice, a row whose commit nobody heard of included.
    expect(new Set(actions).size).toBe(actions.length);
  });
  await fc.assert(property, { numRuns: Math.max(40, Number(process.env.LABMESH_FUZZ_RUNS ?? 0) / 100) });
}, 120_000);
