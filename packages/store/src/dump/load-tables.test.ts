import { describe, expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import fc from 'fast-check';
import { openStore } from '../open-store.ts';
import { sampleRows } from '../testing/sample-rows.ts';
import { dataTables, primaryKey } from './columns.ts';
import { loadTables } from './load-tables.ts';

const tester = system('test');

type Row = { table: string; row: unknown };

async function* given(rows: readonly Row[]): AsyncGenerator<Row> {
  yield* rows;
}

/** Loads into a fresh store; the error's code and text, or undefined. */
async function loaded(rows: readonly Row[]): Promise<{ code: string; message: string } | undefined> {
  await using store = await openStore({ url: 'sqlite::memory:' });
  try {
    await loadTables(store, tester, given(rows));
    return undefined;
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return { code: error.code, message: error.message };
  }
}

const lease = { name: 'a', owner: 'b', expires_at: 5 };

describe('BK-2: a dump is checked before it goes in', () => {
  test('the rows of a dump pass', async () => expect(await loaded(sampleRows())).toBeUndefined());

  test.each([
    ['an unknown table', { table: 'passwd', row: {} }],
    ['the schema itself', { table: 'migrations', row: { id: 1, release: 1, applied_at: 0 } }],
    ['a name of JavaScript', { table: '__proto__', row: {} }],
    ['a row that is none', { table: 'leases', row: null }],
    ['a row that is a list', { table: 'leases', row: ['a', 'b', 5] }],
    ['an unknown column', { table: 'leases', row: { ...lease, more: 1 } }],
    ['a column of JavaScript', { table: 'leases', row: { ...lease, constructor: 'x' } }],
    ['text for a number', { table: 'leases', row: { ...lease, expires_at: '5' } }],
    ['a number for text', { table: 'leases', row: { ...lease, owner: 5 } }],
    ['a fraction', { table: 'leases', row: { ...lease, expires_at: 0.5 } }],
    ['a number past 2^53', { table: 'leases', row: { ...lease, expires_at: 2 ** 53 } }],
    ['null where none may be', { table: 'leases', row: { ...lease, owner: null } }],
    ['a missing column', { table: 'leases', row: { name: 'a', owner: 'b' } }],
    ['a NUL, which PostgreSQL does not take', { table: 'leases', row: { ...lease, owner: 'a\0' } }],
    ['half a character', { table: 'leases', row: { ...lease, owner: '\ud800' } }],
  ] satisfies [string, Row][])('%s is refused', async (_, row) => {
    expect(await loaded([row])).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  test('keys of a backup that knew no tenants belong to the default one', async () => {
    await using store = await openStore({ url: 'sqlite::memory:' });
    const key = { id: 'k', created_at: 1, name: 'old', scopes: '[]', last_used_at: null, revoked_at: null };
    const rows = ['k', 'l'].map((id) => ({ table: 'keys', row: { ...key, id, hash: id } }));
    await loadTables(store, tester, given(rows));
    const found = await store.read(tester, (db) => db.selectFrom('keys').select(['tenant', 'verification']).execute());
    expect(found).toEqual([
      { tenant: 'default', verification: null },
      { tenant: 'default', verification: null },
    ]);
  });

  test('a child without its parent is refused', async () => {
    const label = { server_id: 'gone', key: 'a', value: 'b', source: 'admin' };
    expect(await loaded([{ table: 'server_labels', row: label }])).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  test('whatever a row is, it is loaded or refused by name', async () => {
    const table = fc.oneof(fc.constantFrom(...dataTables), fc.string());
    const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.double(), fc.jsonValue());
    const row = fc.oneof(fc.dictionary(fc.constantFrom('id', 'key', 'value', 'updated_at'), value), fc.jsonValue());
    await using store = await openStore({ url: 'sqlite::memory:' });
    await fc.assert(
      fc.asyncProperty(fc.record({ table, row }), async (one) => {
        await store.write(tester, (tx) => tx.deleteFrom('settings').execute());
        const error = await loadTables(store, tester, given([one])).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(error === undefined || error instanceof FleetError).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

test('every table has a primary key of its own columns', () => {
  for (const table of dataTables) expect(primaryKey(table).length).toBeGreaterThan(0);
  expect(primaryKey('server_labels')).toEqual(['server_id', 'key']);
  expect(primaryKey('servers')).toEqual(['id']);
});
