import { errorOf } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { createLogger } from '@labmesh/kit/log';
import { firstPrevHash, fromTableRow, hashRow } from './audit-row.ts';
import { auditBench, type AuditBench, chain, entry, pass, tester, turns } from './testing/audit-bench.ts';
import type { AuditLog, AuditLogParts } from './audit-log.ts';

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

const rows = () =>
  bench.store.inner.read(tester, (db) =>
    db.selectFrom('audit_log').selectAll().orderBy('chain').orderBy('seq').execute(),
  );
const actions = async () => (await rows()).map(({ action }) => action);
const reopen = async (parts: Partial<AuditLogParts> = {}) => {
  await log[Symbol.asyncDispose]();
  log = await bench.open(parts);
};
const settled = async (work: Promise<unknown>) => {
  let state = 'pending';
  work.then(
    () => (state = 'done'),
    (error: { code: string }) => (state = error.code),
  );
  await turns();
  return () => state;
};
const unavailable = { code: 'AUDIT_UNAVAILABLE' };

/** The chain holds together, by its rows alone. */
async function intact(): Promise<number> {
  const keys = await bench.keys();
  let [seq, hash] = [0, firstPrevHash(chain)];
  for (const row of (await rows()).filter((one) => one.chain === chain)) {
    const record = fromTableRow(row);
    expect([record.seq, record.prevHash]).toEqual([++seq, hash]);
    hash = hashRow(keys.chainKey(record.keyId)!, hash, record);
    expect(record.hash).toBe(hash);
  }
  return seq;
}

describe('AU-1, AU-2, AU-3', () => {
  test('rows are chained in the order of the calls, with all their fields', async () => {
    const full = entry('exec.open', {
      phase: 'start',
      resource: 'servers/web-1',
      resourceId: 'r1',
      session: 's1',
      sourceIp: '10.0.0.1',
      requestId: 'req_1',
      result: 'denied',
      code: 'PERMISSION_DENIED',
      durationMs: 5,
      details: { argv: ['ls', '-l'], password: 'hunter2' },
    });
    const done = await Promise.all([log.append(full), log.append(entry('b')), log.append(entry('c'))]);
    expect(done).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
    const [first] = await rows();
    expect(fromTableRow(first!)).toMatchObject({
      ...full,
      at: bench.clock.wall(),
      chain,
      keyId: 'k1',
      details: '{"argv":["ls","-l"],"password":"[secret]"}',
    });
    expect(await intact()).toBe(3);
    expect(log.head()).toMatchObject({ seq: 3, hash: (await rows())[2]!.hash });
  });

  test('rows of one turn share one transaction', async () => {
    const before = bench.store.writes;
    await Promise.all(Array.from({ length: 250 }, () => log.append(entry())));
    expect(bench.store.writes - before).toBe(1);
    await Promise.all(Array.from({ length: 1_200 }, () => log.append(entry())));
    expect(bench.store.writes - before).toBe(4);
    expect(await intact()).toBe(1_450);
  });

  test('a new log goes on where the old one ended; another chain starts anew', async () => {
    await log.append(entry());
    await reopen();
    expect(await log.append(entry())).toEqual({ seq: 2 });
    expect(await intact()).toBe(2);
    await using other = await bench.open({ chain: 'other' });
    expect(await other.append(entry())).toEqual({ seq: 1 });
    expect((await rows()).find((row) => row.chain === 'other')?.prev_hash).toBe(firstPrevHash('other'));
  });

  test('a new key chains the rows to come; old rows keep theirs', async () => {
    await log.append(entry());
    expect(await log.keys.rotate(bench.clock.wall())).toBe('k2');
    await log.append(entry());
    expect((await rows()).map((row) => row.key_id)).toEqual(['k1', 'k2']);
    expect(await intact()).toBe(2);
  });

  test('CHAIN_TAKEN: a second writer of the chain stops the first', async () => {
    await log.append(entry('mine'));
    await using second = await bench.open();
    await second.append(entry('theirs'));
    const lost = await settled(log.append(entry('mine again')));
    await pass(bench.clock, 200);
    expect(lost()).toBe('AUDIT_UNAVAILABLE');
    expect(log.stopped()).toBe('CHAIN_TAKEN');
    expect(await errorOf(log.append(entry()))).toMatchObject({ ...unavailable, log: 'CHAIN_TAKEN' });
    log.note(entry());
    expect(await second.append(entry('theirs again'))).toEqual({ seq: 3 });
    expect(await actions()).toEqual(['mine', 'theirs', 'theirs again']);
    expect(await intact()).toBe(3);
  });
});

describe('AU-4', () => {
  test('a caller waits 2 s for its row, then AUDIT_UNAVAILABLE; the row is not written later', async () => {
    bench.store.fault = 'away';
    const state = await settled(log.append(entry('refused')));
    await pass(bench.clock, 1_900);
    expect(state()).toBe('pending');
    expect(log.lagMs()).toBe(1_900);
    await pass(bench.clock, 200);
    expect(state()).toBe('AUDIT_UNAVAILABLE');
    bench.store.release();
    await pass(bench.clock, 2_000);
    expect(await log.append(entry('later'))).toEqual({ seq: 1 });
    expect(await actions()).toEqual(['later']);
    expect(log.lagMs()).toBe(0);
  });

  test('a database that only hangs is no different', async () => {
    bench.store.fault = 'hangs';
    const state = await settled(log.append(entry('under way')));
    const behind = await settled(log.append(entry('behind')));
    await pass(bench.clock, 2_100);
    expect([state(), behind()]).toEqual(['AUDIT_UNAVAILABLE', 'AUDIT_UNAVAILABLE']);
    bench.store.release();
    await turns();
    // Rows of the commit under way stand: nobody can call them back. What waited behind it is not written.
    expect(await actions()).toEqual(['under way']);
    expect(await log.append(entry())).toEqual({ seq: 2 });
    expect(await intact()).toBe(2);
  });

  test('the queue is bounded; rows without a caller give way and their count becomes a row', async () => {
    await reopen({ options: { queueMax: 5 } });
    bench.store.fault = 'hangs';
    const first = log.append(entry('first'));
    await turns();
    for (let index = 0; index < 6; index++) log.note(entry(`note-${index}`));
    expect(log.queued()).toBe(5);
    const more = [2, 3, 4, 5].map((index) => log.append(entry(`must-${index}`)));
    expect(await errorOf(log.append(entry('one too many')))).toMatchObject({
      ...unavailable,
      log: 'the queue holds 5 rows',
    });
    bench.store.release();
    await Promise.all([first, ...more]);
    await log.flush();
    expect(await actions()).toEqual(['first', 'must-2', 'must-3', 'must-4', 'must-5', 'audit.lost']);
    expect((await rows()).at(-1)).toMatchObject({ details: '{"rows":6}', result: 'error', principal_kind: 'system' });
    expect(await intact()).toBe(6);
  });

  test('note never throws or waits, whatever it is given', async () => {
    log.note(undefined as never);
    log.note({} as never);
    log.note(entry('fine'));
    await log.flush();
    expect(await actions()).toEqual(['fine', 'audit.lost']);
  });

  test('notes wait for company, rows with a caller do not', async () => {
    log.note(entry('note'));
    await turns();
    expect(await actions()).toEqual([]);
    await pass(bench.clock, 20, 5);
    expect(await actions()).toEqual(['note']);
    log.note(entry('note 2'));
    await log.append(entry('must'));
    expect(await actions()).toEqual(['note', 'note 2', 'must']);
  });

  test('after an outage the chain goes on from the hash computed here', async () => {
    await log.append(entry('before'));
    bench.store.fault = 'away';
    for (let index = 0; index < 40; index++) log.note(entry(`note ${index}`));
    await pass(bench.clock, 60_000, 1_000);
    bench.store.release();
    await pass(bench.clock, 2_000);
    expect(await log.append(entry('after'))).toEqual({ seq: 42 });
    expect(await intact()).toBe(42);
  });

  test('a commit whose answer was lost is found, not repeated', async () => {
    await log.append(entry('a'));
    bench.store.fault = 'lost-answer';
    const state = await settled(log.append(entry('b')));
    expect(state()).toBe('pending');
    bench.store.fault = 'none';
    await pass(bench.clock, 100);
    expect(state()).toBe('done');
    await log.append(entry('c'));
    expect(await actions()).toEqual(['a', 'b', 'c']);
    expect(await intact()).toBe(3);
  });

  test('the same when its caller has given up meanwhile', async () => {
    bench.store.fault = 'lost-answer';
    const state = await settled(log.append(entry('a')));
    bench.store.fault = 'away';
    await pass(bench.clock, 2_500);
    expect(state()).toBe('AUDIT_UNAVAILABLE');
    bench.store.fault = 'none';
    await pass(bench.clock, 1_100);
    expect(await log.append(entry('b'))).toEqual({ seq: 2 });
    expect(await intact()).toBe(2);
  });

  test('rows lost by the database after their commit leave a gap, and are reported', async () => {
    const lines: string[] = [];
    await reopen({ log: createLogger({ level: 'error', format: 'json', write: (line) => lines.push(line) }) });
    for (const action of ['a', 'b', 'c']) await log.append(entry(action));
    await bench.store.inner.write(tester, (tx) => tx.deleteFrom('audit_log').where('seq', '>', 1).execute());
    bench.store.fault = 'away';
    const state = await settled(log.append(entry('d')));
    bench.store.fault = 'none';
    await pass(bench.clock, 200);
    expect(state()).toBe('done');
    expect((await rows()).map(({ seq }) => seq)).toEqual([1, 4]);
    expect(lines.join()).toContain('missing or changed');
  });

  test('a row that the database refuses goes alone', async () => {
    const { write } = bench.store;
    bench.store.write = (principal, work) =>
      write.call(bench.store, principal, async (tx) => {
        const done = await work(tx);
        const poison = await tx.selectFrom('audit_log').select('seq').where('action', '=', 'poison').executeTakeFirst();
        if (poison !== undefined) throw new Error('value too long');
        return done;
      }) as never;
    const states = await Promise.all(['a', 'poison', 'b'].map((action) => settled(log.append(entry(action)))));
    await pass(bench.clock, 500);
    expect(states.map((state) => state())).toEqual(['done', 'AUDIT_UNAVAILABLE', 'done']);
    expect(await actions()).toEqual(['a', 'b']);
    expect(await intact()).toBe(2);
  });

  test('the end commits what waits, then refuses', async () => {
    log.note(entry('last'));
    await log[Symbol.asyncDispose]();
    expect(await actions()).toEqual(['last']);
    expect(await errorOf(log.append(entry()))).toMatchObject(unavailable);
    log = await bench.open();
    bench.store.fault = 'away';
    const state = await settled(log.append(entry()));
    const flushed = await settled(log.flush());
    const ended = log[Symbol.asyncDispose]();
    await pass(bench.clock, 3_000);
    expect(flushed()).toBe('AUDIT_UNAVAILABLE');
    await ended;
    expect(state()).toBe('AUDIT_UNAVAILABLE');
  });
});

test('ST-3: a transaction that runs twice writes its rows once', async () => {
  const { openStore } = await import('@labmesh/store/open-store');
  await using twice = await openStore({ url: 'sqlite::memory:', injectFaults: 'twice' });
  await using mine = await bench.open({ store: twice });
  expect(await mine.append(entry())).toEqual({ seq: 1 });
  expect(await mine.append(entry())).toEqual({ seq: 2 });
});
