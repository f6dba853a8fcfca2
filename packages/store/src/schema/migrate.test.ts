import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { system } from '@labmesh/wire/fleet/principal';
import { sql } from 'kysely';
import { openStore } from '../open-store.ts';
import type { SqlStore } from '../sql-store.ts';
import { migrate, releases } from './migrate.ts';

const tester = system('test');
const empty = () => openStore({ url: 'sqlite::memory:', migrate: false });
const applied = (store: SqlStore) =>
  store.read(tester, (db) => db.selectFrom('migrations').selectAll().orderBy('id').execute());

/** The schema as SQLite keeps it. */
async function schemaOf(store: SqlStore): Promise<unknown[]> {
  const query = sql`select name, sql from sqlite_master where name not like 'migration%' order by name`;
  const { rows } = await store.read(tester, (db) => query.execute(db));
  return rows;
}

const tables = (...names: string[]) => names.map((name) => `create table if not exists ${name} (id text not null)`);

describe('ST-4: migrations', () => {
  test('a released list never changes', () => {
    // A list's hash goes in here when its release is cut.
    const released: readonly string[] = [];
    const hashOf = (list: readonly string[]) => createHash('sha256').update(list.join('\n')).digest('hex').slice(0, 16);
    expect(releases.slice(0, released.length).map(hashOf)).toEqual([...released]);
  });

  test('are one statement each and harmless again', () => {
    for (const ddl of releases.flat()) {
      expect(ddl).toMatch(/^(create (unique )?(table|index) if not exists|alter table \w+ add column) /);
      expect(ddl).not.toContain(';');
    }
  });

  test('run again from any point where the process may have died', async () => {
    await using whole = await empty();
    await migrate(whole);
    const wanted = await schemaOf(whole);
    const all = releases.flat();
    for (const died of [0, 1, 17, all.length - 1]) {
      await using store = await empty();
      await migrate(store, { releases: [all.slice(0, died + 1)] });
      // The statement was done, its row was not written.
      await store.write(tester, (tx) =>
        tx
          .deleteFrom('migrations')
          .where('id', '=', died + 1)
          .execute(),
      );
      await migrate(store);
      expect(await schemaOf(store)).toEqual(wanted);
      expect((await applied(store)).map((row) => row.id)).toEqual(all.map((_, at) => at + 1));
    }
  });

  test('done once, they change nothing', async () => {
    await using store = await empty();
    await migrate(store);
    const before = await applied(store);
    await migrate(store);
    expect(await applied(store)).toEqual(before);
  });

  test('a later release adds to the earlier, also a column that is there already', async () => {
    await using store = await empty();
    const first = tables('a', 'b');
    const second = ['alter table a add column name text', ...tables('c')];
    await migrate(store, { releases: [first] });
    await migrate(store, { releases: [first, second] });
    expect((await applied(store)).map((row) => [row.id, row.release])).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
      [4, 2],
    ]);
    await store.write(tester, (tx) => tx.deleteFrom('migrations').where('id', '=', 3).execute());
    await migrate(store, { releases: [first, second] });
    expect(await applied(store)).toHaveLength(4);
  });

  test('labd N-1 runs on schema N, on a newer one it stops with exit 78', async () => {
    await using store = await empty();
    const lists = [tables('a'), tables('b'), tables('c')];
    await migrate(store, { releases: lists.slice(0, 2) });
    await migrate(store, { releases: lists.slice(0, 1) });
    await migrate(store, { releases: lists });
    const refused = { name: 'StoreStartError', code: 'SCHEMA_NEWER', exitCode: 78 };
    expect(await errorOf(migrate(store, { releases: lists.slice(0, 1) }))).toMatchObject(refused);
    await migrate(store, { releases: lists.slice(0, 2) });
  });

  test('a statement that is wrong is told, the lock is given back, and the way goes on from there', async () => {
    await using store = await empty();
    const wrong = [...tables('a'), 'create table if not exists b (', ...tables('c')];
    expect(await errorOf(migrate(store, { releases: [wrong] }))).toMatchObject({ code: 'SQLITE_ERROR' });
    expect(await store.read(tester, (db) => db.selectFrom('migration_lock').selectAll().execute())).toEqual([]);
    expect(await applied(store)).toHaveLength(1);
    await migrate(store, { releases: [tables('a', 'b', 'c')] });
    expect(await applied(store)).toHaveLength(3);
  });

  test('in SQLite a lock that was left by the dead holds nobody up', async () => {
    await using store = await empty();
    await migrate(store, { releases: [tables('a')] });
    const lock = { name: 'schema', owner: 'dead', expires_at: Date.now() + 60_000 };
    await store.write(tester, (tx) => tx.insertInto('migration_lock').values(lock).execute());
    await migrate(store, { releases: [tables('a', 'b')] });
    expect(await applied(store)).toHaveLength(2);
  });
});
