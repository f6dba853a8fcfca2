import { errorOf } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import type { AuditLogTable } from '@labmesh/store/tables';
import type { Selectable } from 'kysely';
import type { AuditKeys } from '../audit-keys.ts';
import { fromTableRow, hashRow } from '../audit-row.ts';
import type { FaultKind } from './chain-checker.ts';
import { makeCheckpoint, type Signed, signStatement } from '../checkpoints.ts';
import { auditBench, type AuditBench, chain, entry, tester } from '../testing/audit-bench.ts';
import { verifyAudit, verifyChain } from './verify-chain.ts';

type Row = Selectable<AuditLogTable>;
const rowsMax = 160;
let bench: AuditBench;
let keys: AuditKeys;
let original: Row[];
/** Signed when the chain had 100 rows, and kept away from the store. */
let early: Signed;

const write = async (rows: readonly Row[]) =>
  bench.store.inner.write(tester, async (tx) => {
    await tx.deleteFrom('audit_log').execute();
    for (let from = 0; from < rows.length; from += 200)
      await tx
        .insertInto('audit_log')
        .values(rows.slice(from, from + 200))
        .execute();
  });
const checkpointsAway = () => bench.store.inner.write(tester, (tx) => tx.deleteFrom('audit_checkpoints').execute());
const faultOf = async (options: Parameters<typeof verifyChain>[2] = {}) =>
  (await verifyChain({ store: bench.store, keys }, chain, options)).fault;

beforeAll(async () => {
  bench = await auditBench();
  await using log = await bench.open();
  keys = log.keys;
  for (let seq = 1; seq <= rowsMax; seq++) {
    await bench.clock.advance(1_000);
    const more = {
      resource: `servers/web-${seq}`,
      details: { argv: ['run', seq] },
      durationMs: seq,
      sourceIp: '10.0.0.1',
    };
    await log.append(entry(seq % 3 === 0 ? 'exec.open' : 'logs.read', more));
    if (seq === 100)
      early = await makeCheckpoint({ store: bench.store, audit: log, clock: bench.clock, log: undefined as never });
  }
  original = await bench.store.inner.read(tester, (db) =>
    db.selectFrom('audit_log').selectAll().orderBy('seq').execute(),
  );
});
beforeEach(async () => {
  await checkpointsAway();
  await write(original);
});
afterAll(() => bench[Symbol.asyncDispose]());

const random = (max: number) => Math.floor(Math.random() * max);
type Tamper = { seq: number; kind: FaultKind; rows: Row[] };
const copy = () => original.map((row) => ({ ...row }));

/** Chains all rows from `from` on again, as somebody would who has `key` instead of ours. */
function rechain(rows: Row[], from: number, key: Uint8Array): void {
  for (let index = from; index < rows.length; index++) {
    const row = rows[index]!;
    row.prev_hash = index === 0 ? row.prev_hash : rows[index - 1]!.hash;
    row.hash = hashRow(key, row.prev_hash, fromTableRow(row));
  }
}

const edits: ((row: Row) => Partial<Row>)[] = [
  (row) => ({ at: row.at + 1 }),
  () => ({ phase: 'end' }),
  () => ({ principal_kind: 'agent' }),
  () => ({ principal_id: 'u2' }),
  () => ({ principal: 'bob' }),
  () => ({ session: '' }),
  () => ({ source_ip: null }),
  () => ({ request_id: 'req_x' }),
  (row) => ({ action: `${row.action} ` }),
  () => ({ resource: null }),
  () => ({ resource_id: 'x' }),
  () => ({ result: 'denied' }),
  () => ({ code: 'X' }),
  (row) => ({ duration_ms: row.duration_ms! + 1 }),
  (row) => ({ details: `${row.details} ` }),
  () => ({ details: null }),
  () => ({ key_id: 'k9' }),
  () => ({ prev_hash: 'f'.repeat(64) }),
  () => ({ hash: '0'.repeat(64) }),
];

const tampers: (() => Tamper)[] = [
  () => {
    const rows = copy();
    const index = random(rowsMax);
    Object.assign(rows[index]!, edits[random(edits.length)]!(rows[index]!));
    return { seq: index + 1, kind: 'edited', rows };
  },
  () => {
    const index = random(rowsMax - 1);
    return { seq: index + 1, kind: 'deleted', rows: copy().filter((_, at) => at !== index) };
  },
  () => {
    // Several rows, and the rest moved up to hide the gap.
    const [index, count] = [random(rowsMax - 20), 1 + random(10)];
    const rows = copy().filter((_, at) => at < index || at >= index + count);
    for (const [at, row] of rows.entries()) row.seq = at + 1;
    return { seq: index + 1, kind: 'deleted', rows };
  },
  () => {
    const rows = copy();
    const [a, b] = [random(rowsMax), random(rowsMax - 1)];
    const other = b >= a ? b + 1 : b;
    [rows[a]!.seq, rows[other]!.seq] = [rows[other]!.seq, rows[a]!.seq];
    return { seq: Math.min(a, other) + 1, kind: 'reordered', rows };
  },
  () => {
    // Contents exchanged, seq and hashes left.
    const rows = copy();
    const [a, b] = [random(rowsMax), random(rowsMax - 1)];
    const other = b >= a ? b + 1 : b;
    const chained = (row: Row) => ({ id: row.id, seq: row.seq, hash: row.hash, prev_hash: row.prev_hash });
    const [one, two] = [rows[a]!, rows[other]!];
    [rows[a], rows[other]] = [
      { ...two, ...chained(one) },
      { ...one, ...chained(two) },
    ];
    return { seq: Math.min(a, other) + 1, kind: 'reordered', rows };
  },
  () => {
    const left = random(99);
    return { seq: left + 1, kind: 'truncated', rows: copy().slice(0, left) };
  },
  () => {
    const rows = copy();
    const from = random(rowsMax - 1);
    rows[from]!.result = 'denied';
    rechain(rows, from, new Uint8Array(32).fill(9));
    return { seq: from + 1, kind: 'wrong-key', rows };
  },
];

describe('AU-7, acceptance 10', () => {
  test('an untouched chain verifies, from any seq', async () => {
    expect(await verifyChain({ store: bench.store, keys }, chain)).toEqual({
      chain,
      rows: rowsMax,
      fromSeq: 1,
      toSeq: rowsMax,
      fault: null,
    });
    expect(await verifyChain({ store: bench.store, keys }, chain, { from: 50, checkpoints: [early] })).toEqual({
      chain,
      rows: 111,
      fromSeq: 50,
      toSeq: rowsMax,
      fault: null,
    });
    expect(await verifyChain({ store: bench.store, keys }, chain, { to: 20 })).toMatchObject({
      rows: 20,
      toSeq: 20,
      fault: null,
    });
    expect(await verifyChain({ store: bench.store, keys }, chain, { from: 500 })).toMatchObject({
      rows: 0,
      toSeq: 0,
      fault: null,
    });
  });

  test('1,000 random tampers are each found with their seq and kind', async () => {
    for (let round = 0; round < 1_000; round++) {
      const which = round % tampers.length;
      const { seq, kind, rows } = tampers[which]!();
      await write(rows);
      expect([which, await faultOf({ checkpoints: [early] })]).toEqual([which, { seq, kind }]);
    }
  }, 120_000);

  test('a cut tail needs a head to be seen: from a checkpoint in the store, outside it, or the appender', async () => {
    await write(original.slice(0, 90));
    expect(await faultOf()).toBeNull();
    expect(await faultOf({ checkpoints: [early] })).toEqual({ seq: 91, kind: 'truncated' });
    expect(await faultOf({ head: { seq: rowsMax, hash: original.at(-1)!.hash } })).toEqual({
      seq: 91,
      kind: 'truncated',
    });
    await bench.store.inner.write(tester, (tx) =>
      tx
        .insertInto('audit_checkpoints')
        .values({ id: 'c', created_at: 1, replica_id: chain, ...early })
        .execute(),
    );
    expect(await faultOf()).toEqual({ seq: 91, kind: 'truncated' });
    await write([]);
    expect(await verifyAudit({ store: bench.store, keys })).toEqual({
      ok: false,
      chains: [{ chain, rows: 0, fromSeq: 1, toSeq: 0, fault: { seq: 1, kind: 'truncated' } }],
    });
  });

  test('a tail that was cut and went on is found', async () => {
    await write(original.slice(0, 90));
    await bench.clock.advance(60_000);
    {
      await using log = await bench.open();
      for (let index = 0; index < 30; index++) await log.append(entry('later'));
    }
    expect(await faultOf()).toBeNull();
    expect(await faultOf({ checkpoints: [early] })).toEqual({ seq: 91, kind: 'truncated' });
  });

  test('whoever chains anew with the audit key is convicted by a signed head', async () => {
    const rows = copy();
    rows[40]!.result = 'denied';
    rechain(rows, 40, keys.chainKey('k1')!);
    await write(rows);
    expect(await faultOf()).toBeNull();
    const middle = signStatement(keys, {
      type: 'heads',
      time: new Date(0).toISOString(),
      heads: [{ chain, seq: 30, hash: original[29]!.hash }],
    });
    expect(await faultOf({ checkpoints: [middle, early] })).toEqual({ seq: 31, kind: 'edited' });
  });

  test('a checkpoint that somebody else signed says so', async () => {
    const forged = { ...early, signature: Buffer.alloc(64, 1).toString('base64url') };
    expect(await faultOf({ checkpoints: [forged] })).toEqual({ seq: 100, kind: 'wrong-key' });
    await write(original.slice(0, 50));
    expect(await faultOf({ checkpoints: [forged] })).toEqual({ seq: 51, kind: 'wrong-key' });
  });

  test('an edited row among rows that are alike is edited, not exchanged', async () => {
    await using log = await bench.open({ chain: 'alike' });
    await Promise.all(Array.from({ length: 50 }, () => log.append(entry('same'))));
    await bench.store.inner.write(tester, (tx) =>
      tx
        .updateTable('audit_log')
        .set({ result: 'denied' })
        .where('chain', '=', 'alike')
        .where('seq', '=', 20)
        .execute(),
    );
    const { fault } = await verifyChain({ store: bench.store, keys }, 'alike');
    expect(fault).toEqual({ seq: 20, kind: 'edited' });
  });

  test('rows under a key that nobody knows', async () => {
    const rows = copy();
    for (const row of rows.slice(70)) row.key_id = 'theirs';
    rechain(rows, 70, new Uint8Array(32).fill(7));
    await write(rows);
    expect(await faultOf()).toEqual({ seq: 71, kind: 'wrong-key' });
  });

  test('a file of checkpoints: one, a list, a page of the API, lines of a sink; or it is refused', async () => {
    const source = { store: bench.store, keys };
    await write(original.slice(0, 90));
    const line = JSON.stringify({ type: 'checkpoint', ...early });
    const files = [
      JSON.stringify(early),
      JSON.stringify([early]),
      JSON.stringify({ items: [early], nextCursor: null }),
      `{"seq":1}\n${line}\n\n`,
    ];
    for (const checkpoint of files) {
      const report = await verifyAudit(source, { chain, checkpoint });
      expect(report).toMatchObject({ ok: false, chains: [{ chain, fault: { seq: 91, kind: 'truncated' } }] });
    }
    expect(await errorOf(verifyAudit(source, { checkpoint: 'nothing' }))).toMatchObject({
      code: 'VALIDATION_FAILED',
      field: 'checkpoint',
    });
  });
});

describe('over many pages', () => {
  const many = 1_300;
  let large: Row[];
  beforeAll(async () => {
    await write(original);
    {
      await using log = await bench.open();
      await Promise.all(Array.from({ length: many - rowsMax }, (_, index) => log.append(entry(`more-${index}`))));
    }
    large = await bench.store.inner.read(tester, (db) =>
      db.selectFrom('audit_log').selectAll().orderBy('seq').execute(),
    );
  });

  test('ST-5: whole and in order; a key made by another replica meanwhile is read', async () => {
    await write(large);
    expect(await verifyChain({ store: bench.store, keys }, chain)).toMatchObject({ rows: many, fault: null });
    const other = await bench.keys();
    await other.rotate(0);
    {
      await using log = await bench.open();
      await log.append(entry('under the new key'));
    }
    expect(await verifyChain({ store: bench.store, keys }, chain)).toMatchObject({ rows: many + 1, fault: null });
  });

  test('rows moved far are reordered, not edited or deleted', async () => {
    for (const [a, b] of [
      [3, 1_250],
      [600, 1_299],
      [0, 700],
    ] as const) {
      const rows = large.map((row) => ({ ...row }));
      [rows[a]!.seq, rows[b]!.seq] = [rows[b]!.seq, rows[a]!.seq];
      await write(rows);
      expect(await faultOf()).toEqual({ seq: a + 1, kind: 'reordered' });
    }
    await write(large.filter((_, at) => at !== 777));
    expect(await faultOf()).toEqual({ seq: 778, kind: 'deleted' });
  });

  test('heads on earlier pages are compared, too', async () => {
    await write(large);
    const heads = [{ chain, seq: 20, hash: 'e'.repeat(64) }];
    const time = new Date(2 ** 42).toISOString();
    const late = signStatement(keys, { type: 'heads', time, heads: [{ chain, seq: 1_200, hash: large[1_199]!.hash }] });
    const wrong = signStatement(keys, { type: 'heads', time, heads });
    const insert = (signed: Signed, at: number) =>
      bench.store.inner.write(tester, (tx) =>
        tx
          .insertInto('audit_checkpoints')
          .values({ id: `c${at}`, created_at: at, replica_id: chain, ...signed })
          .execute(),
      );
    await insert(late, 1);
    expect(await faultOf()).toBeNull();
    await insert(wrong, 2);
    expect(await faultOf()).toMatchObject({ kind: 'edited' });
  });
});
