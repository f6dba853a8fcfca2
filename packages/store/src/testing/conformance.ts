/**
 * What every store must do, whatever is below it (ST-6). A test file names the engines and calls this for each; with
 * faults injected the same must hold.
 */
import { describe, expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { sql } from 'kysely';
import { isUniqueViolation } from '../store-errors.ts';
import type { Reader, Store, Writer } from '../store.ts';

const tester = system('conformance');

const setting = (key: string, value = '0') => ({ key, value, updated_at: 1_766_275_200_000 });
const put = (key: string, value?: string) => (tx: Writer) =>
  tx.insertInto('settings').values(setting(key, value)).execute();
const valueOf = (db: Reader, key: string) =>
  db
    .selectFrom('settings')
    .select('value')
    .where('key', '=', key)
    .executeTakeFirst()
    .then((row) => row?.value);

/** Error that a promise ends with, or undefined. */
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

function principals(store: () => Store): void {
  test('ST-1: no principal, no query', async () => {
    for (const nobody of [undefined, null, {}, { kind: 'root', id: '', name: '' }, 'user:alice']) {
      expect(await errorOf(store().read(nobody as never, () => Promise.resolve(1)))).toBeInstanceOf(TypeError);
      expect(await errorOf(store().write(nobody as never, () => Promise.resolve(1)))).toBeInstanceOf(TypeError);
      expect(await errorOf(store().snapshot(nobody as never))).toBeInstanceOf(TypeError);
    }
  });

  test('a read only reads', async () => {
    const read = store().read(tester, (db) => db.insertInto('settings').values(setting('by-read')).execute());
    expect(await errorOf(read)).toBeInstanceOf(TypeError);
    expect(await store().read(tester, (db) => valueOf(db, 'by-read'))).toBeUndefined();
  });

  test('what a write sets off and does not wait for comes after it', async () => {
    const later: Promise<unknown>[] = [];
    await store().write(tester, async (tx) => {
      await put('set-off')(tx);
      if (later.length > 0) return;
      later.push(store().read(tester, (db) => valueOf(db, 'set-off')));
      later.push(Bun.sleep(20).then(() => store().write(tester, (again) => valueOf(again, 'set-off'))));
    });
    for (const one of later) expect([undefined, '0']).toContain((await one) as string | undefined);
    expect(await later[1]).toBe('0');
  });

  test('what a read or write gave ends with it', async () => {
    let db: Reader | undefined;
    let tx: Writer | undefined;
    await store().read(tester, (given) => Promise.resolve((db = given)).then(() => {}));
    await store().write(tester, (given) => Promise.resolve((tx = given)).then(() => {}));
    expect(await errorOf(valueOf(db as Reader, 'x'))).toBeInstanceOf(TypeError);
    expect(await errorOf(put('leaked')(tx as Writer))).toBeInstanceOf(Error);
    expect(await store().read(tester, (given) => valueOf(given, 'leaked'))).toBeUndefined();
  });

  test('a statement that nobody awaited never runs after its transaction', async () => {
    const strays: Promise<unknown>[] = [];
    const failed = store().write(tester, async (tx) => {
      await put('stray-1')(tx);
      strays.push(errorOf(Bun.sleep(1).then(() => put('stray-2')(tx))));
      throw new RangeError('no');
    });
    expect(await errorOf(failed)).toBeInstanceOf(RangeError);
    for (const stray of strays) expect(await stray).toBeInstanceOf(Error);
    expect(await store().read(tester, (db) => valueOf(db, 'stray-2'))).toBeUndefined();
  });
}

function values(store: () => Store): void {
  test('ST-2: values come back as they went in', async () => {
    const id = uuidv7();
    const at = 253_402_300_799_999;
    const name = `Ünïcödé '"\\ %_ 😀 ${id}`;
    const role = { id, created_at: at, name, description: null, built_in: 1 as const };
    await store().write(tester, (tx) => tx.insertInto('roles').values(role).execute());
    const found = await store().read(tester, (db) => db.selectFrom('roles').selectAll().where('id', '=', id).execute());
    expect(found).toEqual([{ ...role, revision: 1 }]);
  });

  test('counts, sums and truth are numbers', async () => {
    await store().write(tester, async (tx) => void (await put('sum-1')(tx), await put('sum-2')(tx)));
    const query = (db: Reader) =>
      db
        .selectFrom('settings')
        .where('key', 'like', 'sum-%')
        .select((row) => [
          row.fn.countAll<number>().as('count'),
          row.fn.sum<number>('updated_at').as('sum'),
          sql<number>`exists (select 1 from settings)`.as('some'),
        ])
        .executeTakeFirstOrThrow();
    expect(await store().read(tester, query)).toEqual({ count: 2, sum: 2 * 1_766_275_200_000, some: 1 });
  });

  test('LIKE minds the case', async () => {
    await store().write(tester, put('Case-A'));
    const like = (pattern: string) =>
      store().read(tester, (db) => db.selectFrom('settings').select('key').where('key', 'like', pattern).execute());
    expect(await like('case-%')).toEqual([]);
    expect(await like('Case-%')).toHaveLength(1);
  });
}

function statements(store: () => Store): void {
  test('ON CONFLICT … RETURNING, and the number of rows updated', async () => {
    const upsert = (value: string) =>
      store().write(tester, (tx) =>
        tx
          .insertInto('settings')
          .values(setting('upsert', value))
          .onConflict((on) => on.column('key').doUpdateSet({ value }))
          .returning(['key', 'value'])
          .execute(),
      );
    expect(await upsert('1')).toEqual([{ key: 'upsert', value: '1' }]);
    expect(await upsert('2')).toEqual([{ key: 'upsert', value: '2' }]);
    const update = (from: string) =>
      store().write(tester, (tx) =>
        tx
          .updateTable('settings')
          .set({ value: '3' })
          .where('key', '=', 'upsert')
          .where('value', '=', from)
          .executeTakeFirst(),
      );
    expect((await update('2')).numUpdatedRows).toBe(1n);
    expect((await update('2')).numUpdatedRows).toBe(0n);
  });

  test('500 rows go in at once', async () => {
    const rows = Array.from({ length: 500 }, (_, at) => setting(`many-${at}`));
    await store().write(tester, (tx) => tx.insertInto('settings').values(rows).execute());
    const found = await store().read(tester, (db) =>
      db.selectFrom('settings').select('key').where('key', 'like', 'many-%').execute(),
    );
    expect(found).toHaveLength(500);
  });

  test('children go with their parent', async () => {
    const id = uuidv7();
    const server = { id, created_at: 1, hostname: id, macs: '[]', status: 'active' };
    const label = { server_id: id, key: 'env', value: 'test', source: 'admin' };
    await store().write(tester, async (tx) => {
      await tx.insertInto('servers').values(server).execute();
      await tx.insertInto('server_labels').values(label).execute();
    });
    await store().write(tester, (tx) => tx.deleteFrom('servers').where('id', '=', id).execute());
    const left = await store().read(tester, (db) =>
      db.selectFrom('server_labels').selectAll().where('server_id', '=', id).execute(),
    );
    expect(left).toEqual([]);
    const orphan = store().write(tester, (tx) => tx.insertInto('server_labels').values(label).execute());
    expect(await errorOf(orphan)).toBeInstanceOf(Error);
  });
}

function transactions(store: () => Store): void {
  test('what work throws rolls back and passes through', async () => {
    const problem = new RangeError('no');
    const failed = store().write(tester, async (tx) => {
      await put('rolled-back')(tx);
      throw problem;
    });
    expect(await errorOf(failed)).toBe(problem);
    expect(await store().read(tester, (db) => valueOf(db, 'rolled-back'))).toBeUndefined();
  });

  test('a unique key in the way is told as such and decides the transaction, even when swallowed', async () => {
    await store().write(tester, put('unique'));
    const again = await errorOf(store().write(tester, put('unique')));
    expect(isUniqueViolation(again)).toBe(true);
    expect(again).not.toBeInstanceOf(FleetError);
    const swallowed = store().write(tester, async (tx) => {
      await put('beside')(tx);
      await errorOf(put('unique')(tx));
    });
    expect(isUniqueViolation(await errorOf(swallowed))).toBe(true);
    expect(await store().read(tester, (db) => valueOf(db, 'beside'))).toBeUndefined();
  });

  test('no read sees half a transaction', async () => {
    const half = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const writing = store().write(tester, async (tx) => {
      await put('half-1')(tx);
      half.resolve();
      await goOn.promise;
      await put('half-2')(tx);
    });
    await half.promise;
    const count = () =>
      store().read(tester, (db) => db.selectFrom('settings').select('key').where('key', 'like', 'half-%').execute());
    // In memory the read waits for the transaction, elsewhere it sees what was there before.
    const meanwhile = count();
    await Promise.race([meanwhile, Bun.sleep(50)]);
    goOn.resolve();
    await writing;
    expect([0, 2]).toContain((await meanwhile).length);
    expect(await count()).toHaveLength(2);
  });
}

function contention(store: () => Store): void {
  test('ST-3: ten who count up one row at once count to ten', async () => {
    await store().write(tester, put('counter'));
    const up = () =>
      store().write(tester, async (tx) => {
        const value = Number(await valueOf(tx, 'counter')) + 1;
        await tx
          .updateTable('settings')
          .set({ value: String(value) })
          .where('key', '=', 'counter')
          .execute();
      });
    await Promise.all(Array.from({ length: 10 }, up));
    expect(await store().read(tester, (db) => valueOf(db, 'counter'))).toBe('10');
  });

  test('SERIALIZABLE: of two who each see another left, one stays', async () => {
    await store().write(tester, async (tx) => void (await put('admin-a')(tx), await put('admin-b')(tx)));
    const leave = (key: string) =>
      store().write(tester, async (tx) => {
        const left = await tx.selectFrom('settings').select('key').where('key', 'like', 'admin-%').execute();
        if (left.length < 2) throw new RangeError('the last one');
        await tx.deleteFrom('settings').where('key', '=', key).execute();
      });
    const errors = await Promise.all([errorOf(leave('admin-a')), errorOf(leave('admin-b'))]);
    expect(errors.filter((error) => error instanceof RangeError)).toHaveLength(1);
  });
}

function snapshots(store: () => Store): void {
  test('a snapshot is one moment, and writers go on', async () => {
    await store().write(tester, put('snap', 'before'));
    await using snapshot = await store().snapshot(tester);
    await store().write(tester, (tx) =>
      tx.updateTable('settings').set({ value: 'after' }).where('key', '=', 'snap').execute(),
    );
    expect(await valueOf(snapshot.db, 'snap')).toBe('before');
    expect(await store().read(tester, (db) => valueOf(db, 'snap'))).toBe('after');
    expect(await errorOf(snapshot.db.deleteFrom('settings').execute())).toBeInstanceOf(TypeError);
    await snapshot[Symbol.asyncDispose]();
    expect(await errorOf(valueOf(snapshot.db, 'snap'))).toBeInstanceOf(Error);
  });

  test('the ping takes its time in ms', async () => {
    const ms = await store().ping();
    expect(ms).toBeGreaterThanOrEqual(0);
    expect(ms).toBeLessThan(5_000);
  });
}

/** The part that works on one store that all tests share. */
export function storeConformance(store: () => Store): void {
  describe('principals and runs', () => principals(store));
  describe('values', () => values(store));
  describe('statements', () => statements(store));
  describe('transactions', () => transactions(store));
  describe('contention', () => contention(store));
  describe('snapshots', () => snapshots(store));
}

/** The part that ends its store. */
export function closingConformance(open: () => Promise<Store>): void {
  test('a closing store ends what is under way and refuses the rest', async () => {
    const store = await open();
    const writing = store.write(tester, async (tx) => {
      await put('closing')(tx);
      await Bun.sleep(20);
      return valueOf(tx, 'closing');
    });
    const closing = store[Symbol.asyncDispose]();
    const late = await errorOf(store.read(tester, (db) => valueOf(db, 'closing')));
    expect(late).toMatchObject({ name: 'FleetError', code: 'STORE_UNAVAILABLE' });
    expect(await writing).toBe('0');
    await closing;
    await store[Symbol.asyncDispose]();
  });
}
