import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { Writer } from '@labmesh/store/store';
import { auditBench, type AuditBench, entry, pass, tester, turns } from './testing/audit-bench.ts';
import type { AuditLog } from './audit-log.ts';

let bench: AuditBench;
let log: AuditLog;
beforeEach(async () => {
  bench = await auditBench();
  log = await bench.open();
});
afterEach(async () => {
  bench.store.release();
  await log[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});

const put = (name: string) => (tx: Writer) =>
  tx
    .insertInto('settings')
    .values({ key: `also ${name}`, value: '1', updated_at: 1 })
    .execute();
const settings = async () =>
  (
    await bench.store.inner.read(tester, (db) =>
      db.selectFrom('settings').selectAll().where('key', 'like', 'also %').orderBy('key').execute(),
    )
  ).map(({ key }) => key.slice(5));
const actions = async () => {
  const rows = await bench.store.inner.read(tester, (db) =>
    db.selectFrom('audit_log').selectAll().orderBy('seq').execute(),
  );
  return rows.map(({ action }) => action);
};

describe('P1: what goes with a row', () => {
  test('is committed in the same transaction', async () => {
    const before = bench.store.writes;
    await Promise.all([log.append(entry('a'), { also: put('with a') }), log.append(entry('b'))]);
    expect(bench.store.writes - before).toBe(1);
    expect([await actions(), await settings()]).toEqual([['a', 'b'], ['with a']]);
  });

  test('is not there when the row is not', async () => {
    bench.store.fault = 'away';
    const refused = Promise.allSettled([log.append(entry('a'), { also: put('with a') })]);
    await pass(bench.clock, 2_200);
    expect((await refused)[0]).toMatchObject({ status: 'rejected', reason: { code: 'AUDIT_UNAVAILABLE' } });
    bench.store.release();
    await pass(bench.clock, 2_000);
    await log.append(entry('b'));
    expect([await actions(), await settings()]).toEqual([['b'], []]);
  });

  test('when the database refuses it, its row goes and the others of the group stand', async () => {
    await log.append(entry('first'), { also: put('taken') });
    const told = Promise.allSettled([
      log.append(entry('good')),
      log.append(entry('bad'), { also: put('taken') }),
      log.append(entry('good, too'), { also: put('free') }),
    ]);
    await pass(bench.clock, 500);
    expect((await told).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect([await actions(), await settings()]).toEqual([
      ['first', 'good', 'good, too'],
      ['free', 'taken'],
    ]);
  });

  test('stands once when the answer to the commit was lost', async () => {
    bench.store.fault = 'lost-answer';
    const appended = log.append(entry('a'), { also: put('with a') });
    await turns();
    bench.store.release();
    await pass(bench.clock, 500);
    expect(await appended).toEqual({ seq: 1 });
    expect([await actions(), await settings()]).toEqual([['a'], ['with a']]);
  });
});

describe('AU-3: rows that nobody waits for', () => {
  test('go with the next one that somebody does, or after the commit wait', async () => {
    await log.append(entry('warm'));
    await pass(bench.clock, 100);
    const before = bench.store.writes;
    const patient = log.append(entry('end'), { patient: true });
    await turns();
    expect(bench.store.writes).toBe(before);
    await log.append(entry('start'));
    await patient;
    expect(bench.store.writes - before).toBe(1);
    const alone = log.append(entry('end'), { patient: true });
    await pass(bench.clock, 40, 5);
    expect(await alone).toEqual({ seq: 4 });
    expect(await actions()).toEqual(['warm', 'end', 'start', 'end']);
  });

  test('flush does not let them wait', async () => {
    const patient = log.append(entry('end'), { patient: true });
    await log.flush();
    expect(await patient).toEqual({ seq: 1 });
  });
});
