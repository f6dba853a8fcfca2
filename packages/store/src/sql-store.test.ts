import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { system } from '@labmesh/wire/fleet/principal';
import { atEveryStatement, type FaultPlan, type FaultPoint, InjectedConflict, twice } from './faults.ts';
import { sql } from 'kysely';
import { openStore } from './open-store.ts';
import { migrate } from './schema/migrate.ts';
import { retryWaitMs, SqlStore, triesMax } from './sql-store.ts';
import { openSqlite } from './sqlite/sqlite-engine.ts';
import type { Writer } from './store.ts';

const tester = system('test');

const put = (key: string) => (tx: Writer) =>
  tx.insertInto('settings').values({ key, value: '', updated_at: 0 }).execute();

class Broken extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`told by 10.0.0.1: ${code}`);
    this.code = code;
  }
}

/** A store in memory, under the plan once it is open, and what the plan was asked. */
async function faulty(plan: FaultPlan) {
  const asked: FaultPoint[] = [];
  let armed = false;
  const injectFaults: FaultPlan = (at) => {
    if (!armed) return undefined;
    asked.push(at);
    return plan(at);
  };
  const store = await openStore({ url: 'sqlite::memory:', injectFaults });
  armed = true;
  return { store, asked };
}

describe('ST-3: retry', () => {
  test('full jitter: between nothing and 10 ms × 2^n', () => {
    expect([1, 2, 3, 7].map((attempt) => retryWaitMs(attempt, () => 0.999_999))).toEqual(
      [20, 40, 80, 1_280].map((ms) => expect.closeTo(ms, 1)),
    );
    expect(retryWaitMs(7, () => 0)).toBe(0);
  });

  test('eight tries, then STORE_CONFLICT and nothing written', async () => {
    const { store, asked } = await faulty(({ commit }) => (commit ? new InjectedConflict() : undefined));
    await using _ = store;
    const failed = store.write(tester, put('never'));
    expect(await errorOf(failed)).toMatchObject({ code: 'STORE_CONFLICT', status: 503, retryAfterMs: 500 });
    expect(asked.filter((at) => at.commit)).toHaveLength(triesMax);
    expect(store.retries).toBe(triesMax - 1);
    expect(await store.read(tester, (db) => db.selectFrom('settings').selectAll().execute())).toEqual([]);
  }, 10_000);

  test('what work makes of a conflict does not hide it', async () => {
    const { store } = await faulty(({ attempt, statement }) =>
      attempt < 3 && statement === 1 ? new InjectedConflict() : undefined,
    );
    await using _ = store;
    let runs = 0;
    await store.write(tester, async (tx) => {
      runs++;
      await put('a')(tx).catch(() => {
        throw new RangeError('hidden');
      });
    });
    expect(runs).toBe(3);
    await store.write(tester, async (tx) => {
      runs++;
      await put('b')(tx).catch(() => {});
    });
    expect(runs).toBe(6);
  });

  test('a conflict that a database told is waited for', async () => {
    const { store } = await faulty(({ attempt, commit }) =>
      commit && attempt === 1 ? new Broken('40P01') : undefined,
    );
    await using _ = store;
    await store.write(tester, put('once'));
    expect(store.retries).toBe(1);
  });

  test('every write twice: work runs again from the start', async () => {
    const { store } = await faulty(twice);
    await using _ = store;
    let runs = 0;
    const rows = await store.write(tester, async (tx) => {
      runs++;
      await put('a')(tx);
      return tx.selectFrom('settings').selectAll().execute();
    });
    expect([runs, rows.length]).toEqual([2, 1]);
  });

  test.each([1, 3, 6, 7, 20])('a conflict at every statement of %p and at the commit', async (statements) => {
    const { store } = await faulty(atEveryStatement);
    await using _ = store;
    await store.write(tester, async (tx) => {
      for (let at = 0; at < statements; at++) await put(`${at}`)(tx);
    });
    expect(store.retries).toBe(Math.min(statements + 1, triesMax - 1));
    const rows = await store.read(tester, (db) => db.selectFrom('settings').selectAll().execute());
    expect(rows).toHaveLength(statements);
  });
});

describe('errors', () => {
  test.each(['ECONNRESET', '57P01', '08006', 'SQLITE_FULL', 'SQLITE_IOERR_WRITE'])(
    '%s is STORE_UNAVAILABLE, told to strangers without the text',
    async (code) => {
      const { store } = await faulty(({ commit }) => (commit ? new Broken(code) : undefined));
      await using _ = store;
      const error = await store.write(tester, put('a')).catch((thrown: unknown) => thrown as Error);
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', log: `told by 10.0.0.1: ${code}` });
      expect((error as Error).message).not.toContain('10.0.0.1');
      expect(store.retries).toBe(0);
    },
  );

  test('a statement that is wrong is told as it is', async () => {
    const { store } = await faulty(() => undefined);
    await using _ = store;
    const wrong = store.read(tester, (db) => sql`select * from nothing`.execute(db));
    expect(await errorOf(wrong)).toMatchObject({ code: 'SQLITE_ERROR' });
  });

  test('an error of work that looks like ours is left alone', async () => {
    const { store } = await faulty(() => undefined);
    await using _ = store;
    const own = new Broken('40001');
    expect(await errorOf(store.write(tester, () => Promise.reject(own)))).toBe(own);
  });
});

test('a write that waits for another call to its store is told so, and rolled back', async () => {
  const engine = await openSqlite(undefined);
  await using store = new SqlStore({ engine, clock: systemClock, nestedWaitMs: 20 });
  await migrate(store);
  const inner = [
    () => store.read(tester, (db) => db.selectFrom('settings').selectAll().execute()),
    () => store.write(tester, put('b')),
    () => store.snapshot(tester),
  ];
  for (const nested of inner) {
    const waits = store.write(tester, async (tx) => void (await put('a')(tx), await nested()));
    expect(await errorOf(waits)).toBeInstanceOf(TypeError);
  }
  expect(await store.read(tester, (db) => db.selectFrom('settings').selectAll().execute())).toEqual([]);
});
