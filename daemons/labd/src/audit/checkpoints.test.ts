import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { createPublicKey, verify } from 'node:crypto';
import { silentLogger } from '@labmesh/kit/log';
import type { AuditLog } from './audit-log.ts';
import { type CheckpointParts, Checkpoints, makeCheckpoint, openHeads, openStub } from './checkpoints.ts';
import { pruneAudit } from './prune-audit.ts';
import { LocalReader } from './reading/local-reader.ts';
import { auditBench, type AuditBench, chain, entry, pass, tester } from './testing/audit-bench.ts';
import { verifyAudit, verifyChain } from './verify/verify-chain.ts';

let bench: AuditBench;
let log: AuditLog;
let parts: CheckpointParts;
beforeEach(async () => {
  bench = await auditBench();
  log = await bench.open();
  parts = { store: bench.store, audit: log, clock: bench.clock, log: silentLogger };
});
afterEach(async () => {
  bench.store.release();
  await log[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});

const stored = () =>
  bench.store.inner.read(tester, (db) =>
    db.selectFrom('audit_checkpoints').selectAll().orderBy('created_at').execute(),
  );
const rows = () =>
  bench.store.inner.read(tester, (db) => db.selectFrom('audit_log').selectAll().orderBy('seq').execute());
const append = (count: number) => Promise.all(Array.from({ length: count }, () => log.append(entry())));
const source = () => ({ store: bench.store, keys: log.keys });
const day = 86_400_000;

describe('AU-5: checkpoints', () => {
  test('the heads of all chains, signed ES256 by a key of its own', async () => {
    await using other = await bench.open({ chain: 'other' });
    await append(3);
    await other.append(entry());
    const signed = await makeCheckpoint(parts);
    expect(JSON.parse(signed.body)).toEqual({
      type: 'heads',
      kid: 'c1',
      time: new Date(bench.clock.wall()).toISOString(),
      heads: [
        { chain, ...log.head() },
        { chain: 'other', ...other.head() },
      ],
    });
    const key = { key: createPublicKey(log.keys.publicKeyPem()), dsaEncoding: 'ieee-p1363' } as const;
    expect(verify('sha256', Buffer.from(signed.body), key, Buffer.from(signed.signature, 'base64url'))).toBe(true);
    expect(openHeads(log.keys, signed)).toMatchObject({ heads: [{ seq: 3 }, { seq: 1 }] });
    expect(openHeads(log.keys, { ...signed, body: signed.body.replace('"seq":3', '"seq":2') })).toBe(false);
    expect(openHeads(log.keys, { ...signed, signature: 'short' })).toBe(false);
    expect(openHeads(log.keys, { ...signed, body: '{}' })).toBeUndefined();
    expect(openStub(log.keys, signed)).toBeUndefined();
    expect(await stored()).toMatchObject([{ replica_id: chain, ...signed }]);
  });

  test('each 60 s, and once more at the end; an outage only skips some', async () => {
    const checkpoints = Checkpoints.start(parts);
    await append(1);
    await pass(bench.clock, 59_000, 1_000);
    expect(await stored()).toHaveLength(0);
    await pass(bench.clock, 2_000, 1_000);
    expect(await stored()).toHaveLength(1);
    bench.store.fault = 'away';
    await pass(bench.clock, 60_000, 1_000);
    bench.store.fault = 'none';
    await pass(bench.clock, 60_000, 1_000);
    expect(await stored()).toHaveLength(2);
    expect(checkpoints.lastAt()).toBeGreaterThan(0);
    await checkpoints[Symbol.asyncDispose]();
    expect(await stored()).toHaveLength(3);
  });

  test('no head is known before the first row', async () => {
    const signed = await makeCheckpoint(parts);
    expect(openHeads(log.keys, signed)).toMatchObject({ heads: [] });
  });
});

describe('AU-5: retention', () => {
  /** Days of 10 rows, each ended by a checkpoint. */
  const days = async (count: number) => {
    for (let index = 0; index < count; index++) {
      await append(10);
      await bench.clock.advance(day / 2);
      await makeCheckpoint(parts);
      await bench.clock.advance(day / 2);
    }
  };
  const prune = (retentionDays: number) => {
    const reader = new LocalReader(source());
    const pruning = { ...source(), reader, clock: bench.clock, log: silentLogger };
    return pruneAudit(pruning, retentionDays * day, new AbortController().signal);
  };

  test('whole checkpoint ranges go, a signed stub stays, verify goes on from it', async () => {
    await days(6);
    await append(5);
    // The checkpoint of the third day is 3.5 days old: its range is the last that goes.
    expect(await prune(3)).toEqual([{ chain, upTo: 30, refused: false }]);
    expect((await rows())[0]!.seq).toBe(31);
    expect(await verifyChain(source(), chain)).toEqual({ chain, rows: 35, fromSeq: 31, toSeq: 65, fault: null });
    expect(await verifyChain(source(), chain, { from: 3 })).toMatchObject({ fromSeq: 31, fault: null });
    expect(await verifyChain(source(), chain, { from: 40 })).toMatchObject({ rows: 26, fault: null });
    const left = await stored();
    expect(left.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
      'heads',
      'heads',
      'heads',
      'stub',
    ]);
    expect(openStub(log.keys, left.at(-1)!)).toMatchObject({ chain, seq: 30 });
    expect(await prune(3)).toEqual([]);
    await log.append(entry());
    expect(await prune(1)).toMatchObject([{ upTo: 50 }]);
    expect(await verifyChain(source(), chain)).toMatchObject({ rows: 16, fault: null });
  });

  test('nothing goes without a checkpoint, or before its time', async () => {
    await append(10);
    await bench.clock.advance(30 * day);
    expect(await prune(3)).toEqual([]);
    await makeCheckpoint(parts);
    expect(await prune(3)).toEqual([]);
    expect(await rows()).toHaveLength(10);
  });

  test('all rows may go; the next ones are chained to the stub', async () => {
    await days(2);
    await bench.clock.advance(30 * day);
    expect(await prune(3)).toMatchObject([{ upTo: 20 }]);
    expect(await rows()).toEqual([]);
    expect(await verifyAudit(source())).toEqual({
      ok: true,
      chains: [{ chain, rows: 0, fromSeq: 21, toSeq: 0, fault: null }],
    });
    await append(2);
    expect(await verifyChain(source(), chain)).toMatchObject({ rows: 2, fromSeq: 21, toSeq: 22, fault: null });
  });

  test('a log opened after all rows went goes on from the stub', async () => {
    await days(1);
    await bench.clock.advance(30 * day);
    await prune(3);
    await log[Symbol.asyncDispose]();
    log = await bench.open();
    expect(await log.append(entry())).toEqual({ seq: 11 });
    expect(await verifyChain(source(), chain)).toMatchObject({ rows: 1, fault: null });
  });

  test('a pruning cut short is finished by the next', async () => {
    await days(6);
    let deletes = 0;
    const { write } = bench.store;
    bench.store.write = ((principal, work) =>
      principal.id === 'audit-retention' && deletes++ === 0
        ? Promise.reject(new Error('cut'))
        : write.call(bench.store, principal, work as never)) as typeof write;
    expect(await thrower(prune(3))).toThrow('cut');
    bench.store.write = write;
    expect(await verifyChain(source(), chain)).toMatchObject({ rows: 30, fromSeq: 31, fault: null });
    expect(await rows()).toHaveLength(60);
    await prune(3);
    expect(await rows()).toHaveLength(30);
  });

  test('a chain that does not verify keeps everything', async () => {
    await days(6);
    await bench.store.inner.write(tester, (tx) =>
      tx.updateTable('audit_log').set({ result: 'denied' }).where('seq', '=', 7).execute(),
    );
    expect(await prune(3)).toEqual([{ chain, upTo: 0, refused: true }]);
    expect([(await rows()).length, (await stored()).length]).toEqual([60, 6]);
  });

  test('a stub that was changed or removed is found', async () => {
    await days(6);
    await prune(3);
    const set = (value: string) =>
      bench.store.inner.write(tester, (tx) =>
        tx.updateTable('settings').set({ value }).where('key', '=', `audit.stub.${chain}`).execute(),
      );
    const stub = await bench.store.inner.read(tester, (db) =>
      db.selectFrom('settings').select('value').where('key', '=', `audit.stub.${chain}`).executeTakeFirstOrThrow(),
    );
    for (const value of [stub.value.replace('\\"seq\\":30', '\\"seq\\":31'), '{}', 'x']) {
      await set(value);
      expect((await verifyChain(source(), chain)).fault).toEqual({ seq: 1, kind: 'wrong-key' });
    }
    await bench.store.inner.write(tester, (tx) =>
      tx.deleteFrom('settings').where('key', '=', `audit.stub.${chain}`).execute(),
    );
    expect((await verifyChain(source(), chain)).fault).toEqual({ seq: 1, kind: 'deleted' });
  });
});
