import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import fc from 'fast-check';
import { openStore } from './open-store.ts';
import { prepared, preparedInsert, preparedList } from './prepared.ts';
import { InjectedConflict } from './faults.ts';

const who = system('test');
const insertSettings = preparedInsert('settings', ['key', 'value', 'updated_at']);
const valueOf = prepared<{ key: string }, { value: string }>((db, slot) =>
  db.selectFrom('settings').select('value').where('key', '=', slot.key),
);
const rename = prepared<{ key: string; value: string }>((db, slot) =>
  db.updateTable('settings').set({ value: slot.value }).where('key', '=', slot.key).where('updated_at', '=', 7),
);

test('a statement runs again with other values, in any store', async () => {
  for (let stores = 0; stores < 2; stores++) {
    await using store = await openStore({ url: 'sqlite::memory:' });
    await store.write(who, (tx) =>
      insertSettings(tx, [
        { key: 'a', value: '1', updated_at: 7 },
        { key: 'b', value: '2', updated_at: 8 },
      ]),
    );
    const read = (key: string) => store.read(who, (db) => valueOf(db, { key }));
    expect(await read('a')).toEqual([{ value: '1' }]);
    expect(await read('b')).toEqual([{ value: '2' }]);
    expect(await read('c')).toEqual([]);
    await store.write(who, async (tx) => {
      await rename(tx, { key: 'a', value: "'; drop table settings; --" });
      // The constant in its condition stays what it was.
      await rename(tx, { key: 'b', value: 'never' });
    });
    expect(await read('a')).toEqual([{ value: "'; drop table settings; --" }]);
    expect(await read('b')).toEqual([{ value: '2' }]);
  }
});

test('any number of rows goes in whole and in order', async () => {
  await using store = await openStore({ url: 'sqlite::memory:' });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 300 }), async (count) => {
      const rows = Array.from({ length: count }, (_, at) => ({ key: `k${at}`, value: `${at}`, updated_at: at }));
      const found = await store.write(who, async (tx) => {
        await tx.deleteFrom('settings').execute();
        await insertSettings(tx, rows);
        return tx.selectFrom('settings').select(['key', 'value', 'updated_at']).orderBy('updated_at').execute();
      });
      expect(found).toEqual(rows);
    }),
    { numRuns: 60 },
  );
});

test('a list of each length that is a power of two; each statement meets its own values', async () => {
  const numbered = preparedList<{ key: string }, { key: string; value: string }>((db, items) =>
    db
      .selectFrom('settings')
      .select(['key', 'value'])
      .where('updated_at', '>', 3)
      .where(
        'key',
        'in',
        items.map(({ key }) => key),
      )
      .orderBy('updated_at'),
  );
  await using store = await openStore({ url: 'sqlite::memory:' });
  const rows = Array.from({ length: 40 }, (_, at) => ({ key: `k${at}`, value: `${at}`, updated_at: at }));
  await store.write(who, (tx) => insertSettings(tx, rows));
  for (const length of [1, 2, 16, 1, 16, 32]) {
    const keys = rows.slice(3, 3 + length);
    const found = await store.read(who, (db) => numbered(db, keys));
    expect(found.map(({ value }) => Number(value))).toEqual(keys.map((_, at) => at + 3).filter((at) => at > 3));
  }
  for (const length of [0, 3, 1024]) {
    const keys = Array.from({ length }, () => ({ key: 'k' }));
    expect(await thrower(store.read(who, (db) => numbered(db, keys)))).toThrow('power of two');
  }
});

test('it is bound to its transaction as any other statement', async () => {
  await using store = await openStore({ url: 'sqlite::memory:', injectFaults: 'twice' });
  let runs = 0;
  await store.write(who, async (tx) => {
    runs++;
    await insertSettings(tx, [{ key: 'once', value: '', updated_at: 1 }]);
  });
  expect(runs).toBe(2);
  const doubled = [1, 2].map(() => ({ key: 'same', value: '', updated_at: 1 }));
  const failed = await store.write(who, (tx) => insertSettings(tx, doubled)).catch((error: unknown) => error);
  expect(failed).not.toBeInstanceOf(InjectedConflict);
  expect(await store.read(who, (db) => valueOf(db, { key: 'same' }))).toEqual([]);
  expect(await thrower(store.read(who, (db) => insertSettings(db as never, doubled)))).toThrow('only reads');
});
