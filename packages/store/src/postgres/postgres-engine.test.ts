import { errorOf } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { system } from '@labmesh/wire/fleet/principal';
import { sql } from 'kysely';
import { type Postgres, postgresAvailable, startPostgres } from '../../../../tests/harness/start-postgres.ts';
import { dumpTables } from '../dump/dump-tables.ts';
import { takeLease } from '../lease.ts';
import { awaitStore, openStore } from '../open-store.ts';
import { SqlStore } from '../sql-store.ts';
import type { Reader, Store } from '../store.ts';
import { openPostgres } from './postgres-engine.ts';

const tester = system('test');
const away = { code: 'STORE_UNAVAILABLE' };
const put = (db: Reader, key: string) => db.insertInto('settings').values({ key, value: '', updated_at: 0 }).execute();
const keysOf = (store: Store) => store.read(tester, (db) => db.selectFrom('settings').select('key').execute());

const missing = postgresAvailable();
describe.skipIf(missing !== undefined)(`PostgreSQL${missing === undefined ? '' : ` (${missing})`}`, () => {
  let server: Postgres;
  let template: string;
  const database = () => server.createDatabase({ template });
  beforeAll(async () => {
    // Deadlocks are found after a second otherwise; commits outlive the server, if not the machine.
    server = await startPostgres({ settings: { deadlock_timeout: '50ms', synchronous_commit: 'on' } });
    template = await server.createDatabase();
    await (await openStore({ url: template }))[Symbol.asyncDispose]();
  }, 60_000);
  afterAll(() => server?.[Symbol.asyncDispose](), 60_000);

  test('ST-1: transactions are SERIALIZABLE, and every wait has an end', async () => {
    await using store = await openStore({ url: await database() });
    const setting = (db: Reader, name: string) =>
      sql<{ value: string }>`select current_setting(${name}) as value`.execute(db).then(({ rows }) => rows[0]?.value);
    const names = ['transaction_isolation', 'statement_timeout', 'idle_in_transaction_session_timeout'];
    const all = await store.write(tester, (tx) => Promise.all(names.map((name) => setting(tx, name))));
    expect(all).toEqual(['serializable', '10s', '30s']);
  });

  test('RP-2: leases run on the clock of the database', async () => {
    await using store = await openStore({ url: await database() });
    expect(await takeLease(store, 'prune', 'a', 60_000)).toBe(true);
    expect(await takeLease(store, 'prune', 'b', 60_000)).toBe(false);
    expect(await takeLease(store, 'prune', 'a', 1)).toBe(true);
    await Bun.sleep(20);
    expect(await takeLease(store, 'prune', 'b', 60_000)).toBe(true);
    const lease = await store.read(tester, (db) => db.selectFrom('leases').selectAll().executeTakeFirstOrThrow());
    expect(Math.abs(lease.expires_at - 60_000 - Date.now())).toBeLessThan(30_000);
  });

  test('LD-7, P5: the server dies amid writes and reads; all is refused, then works again by itself', async () => {
    await using store = await openStore({ url: await database() });
    await store.write(tester, (tx) => put(tx, 'before'));
    const amid = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const torn = store.write(tester, async (tx) => {
      await put(tx, 'torn');
      amid.resolve();
      await goOn.promise;
      await put(tx, 'torn-2');
    });
    await amid.promise;
    await server.stop('kill');
    goOn.resolve();
    expect(await errorOf(torn)).toMatchObject(away);
    expect(await errorOf(keysOf(store))).toMatchObject(away);
    expect(await errorOf(store.ping())).toMatchObject(away);
    expect(await errorOf(store.snapshot(tester))).toMatchObject(away);
    await server.start();
    expect(await keysOf(store)).toEqual([{ key: 'before' }]);
    await store.write(tester, (tx) => put(tx, 'after'));
    expect(await keysOf(store)).toHaveLength(2);
  }, 20_000);

  test('BK-1: a dump that loses its database says so, and lets go of the store', async () => {
    await using store = await openStore({ url: await database() });
    await store.write(tester, (tx) => put(tx, 'a'));
    const dump = (async () => {
      for await (const one of dumpTables(store, tester, ['settings', 'events'])) {
        if (one.table === 'settings') await server.stop('kill');
      }
    })();
    expect(await errorOf(dump)).toMatchObject(away);
    await server.start();
  }, 20_000);

  test('LD-7: labd waits for a database that comes later', async () => {
    const url = await database();
    await server.stop('kill');
    const opening = awaitStore({ url }, AbortSignal.timeout(20_000));
    await Bun.sleep(50);
    await server.start();
    await using store = await opening;
    expect(await keysOf(store)).toEqual([]);
  }, 30_000);

  test('an answer that comes too late is nobody else’s', async () => {
    const limits = { poolMax: 1, answerTimeoutMs: 150, connectTimeoutMs: 2_000 };
    const engine = openPostgres(await database(), silentLogger, limits);
    await using store = new SqlStore({ engine, clock: systemClock });
    const slow = store.read(tester, (db) => sql`select 'late' as text, pg_sleep(1)`.execute(db));
    expect(await errorOf(slow)).toMatchObject(away);
    const { rows } = await store.read(tester, (db) => sql`select 'mine' as text`.execute(db));
    expect(rows).toEqual([{ text: 'mine' }]);
    const torn = store.write(tester, (tx) => sql`select pg_sleep(1)`.execute(tx));
    expect(await errorOf(torn)).toMatchObject(away);
    expect(await store.ping()).toBeLessThan(5_000);
  });

  test('a full pool is waited for, not for ever', async () => {
    const limits = { poolMax: 1, connectTimeoutMs: 100 };
    const engine = openPostgres(await database(), silentLogger, limits);
    await using store = new SqlStore({ engine, clock: systemClock });
    const done = Promise.withResolvers<void>();
    const holding = store.write(tester, () => done.promise);
    await Bun.sleep(20);
    expect(await errorOf(store.ping())).toMatchObject(away);
    done.resolve();
    await holding;
    expect(await store.ping()).toBeGreaterThanOrEqual(0);
  });

  test('ST-3: eight that want the same rows in other orders deadlock, and succeed or say STORE_CONFLICT', async () => {
    const url = await database();
    await using store = await openStore({ url });
    await store.write(tester, async (tx) => void (await put(tx, 'a'), await put(tx, 'b')));
    const touch = (key: string) => (tx: Reader) =>
      tx
        .updateTable('settings')
        .set({ updated_at: sql`updated_at + 1` })
        .where('key', '=', key)
        .execute();
    const both = (keys: readonly string[]) =>
      store.write(tester, async (tx) => {
        for (const key of keys) await touch(key)(tx);
      });
    const runs = Array.from({ length: 8 }, (_, at) => both(at % 2 === 0 ? ['a', 'b'] : ['b', 'a']));
    const results = await Promise.allSettled(runs);
    const failed = results.filter((one) => one.status === 'rejected').map((one) => one.reason as unknown);
    for (const reason of failed) expect(reason).toMatchObject({ code: 'STORE_CONFLICT' });
    const rows = await store.read(tester, (db) => db.selectFrom('settings').select('updated_at').execute());
    expect(rows.map((row) => row.updated_at)).toEqual([8 - failed.length, 8 - failed.length]);
  }, 20_000);
});
