/**
 * Puts the rows of a dump into an empty store of either engine (BK-2), in transactions of up to 500 rows. While it is
 * under way a setting says so: a store that holds it is half a restore and good for nothing but to be thrown away.
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { Kysely } from 'kysely';
import { isUniqueViolation } from '../store-errors.ts';
import type { Reader, Store } from '../store.ts';
import { columns, type ColumnType, dataTables, type DataTable } from './columns.ts';
import type { DumpRow } from './dump-tables.ts';

/** Key in `settings` while a restore is under way or was broken off. */
export const restoreMark = 'restore.incomplete';

const batchRows = 500;

type AnyTable = Kysely<Record<string, Record<string, string | number | null>>>;

const refuse = (message: string): never => {
  throw new FleetError('VALIDATION_FAILED', { message: `this is no backup of ours: ${message}` });
};

function fits(value: unknown, type: ColumnType): boolean {
  if (value === null) return type.endsWith('?');
  if (type.startsWith('integer')) return Number.isSafeInteger(value);
  return typeof value === 'string' && !value.includes('\0') && value.isWellFormed();
}

/** @throws FleetError VALIDATION_FAILED for a table, column or value that this release does not know. */
function check({ table, row }: { table: string; row: unknown }): DumpRow {
  if (!Object.hasOwn(columns, table)) return refuse('an unknown table');
  if (typeof row !== 'object' || row === null) return refuse(`a row of ${table} is no object`);
  const known = columns[table as DataTable] as Readonly<Record<string, ColumnType>>;
  for (const [column, value] of Object.entries(row)) {
    const type = Object.hasOwn(known, column) ? known[column] : undefined;
    if (type === undefined) return refuse(`${table} has no such column, a newer release may have written it`);
    if (!fits(value, type)) return refuse(`a value of ${table}.${column}`);
  }
  return { table: table as DataTable, row: row as DumpRow['row'] };
}

/** Batches of rows of one table each. */
async function* batched(rows: AsyncIterable<{ table: string; row: unknown }>): AsyncGenerator<DumpRow[]> {
  let batch: DumpRow[] = [];
  for await (const one of rows) {
    const checked = check(one);
    if (batch.length === batchRows || (batch[0] !== undefined && batch[0].table !== checked.table)) {
      yield batch;
      batch = [];
    }
    batch.push(checked);
  }
  if (batch.length > 0) yield batch;
}

/** @throws FleetError CONFLICT when there is anything in it. */
async function assertEmpty(db: Reader): Promise<void> {
  for (const table of dataTables) {
    const found = await (db as unknown as AnyTable).selectFrom(table).selectAll().limit(1).executeTakeFirst();
    if (found === undefined) continue;
    const half = table === 'settings' && found['key'] === restoreMark;
    const message = half ? 'a restore was broken off here' : `the store is not empty: there are ${table}`;
    throw new FleetError('CONFLICT', { message, hint: 'restore into a fresh database' });
  }
}

async function insert(store: Store, principal: Principal, batch: readonly DumpRow[]): Promise<void> {
  const [first] = batch;
  if (first === undefined) return;
  const rows = batch.map((one) => one.row);
  try {
    await store.write(principal, (tx) => (tx as unknown as AnyTable).insertInto(first.table).values(rows).execute());
  } catch (error) {
    if (error instanceof FleetError) throw error;
    const what = isUniqueViolation(error) ? 'there twice' : 'refused by the database';
    throw new FleetError('VALIDATION_FAILED', {
      message: `this is no backup of ours: rows of ${first.table} are ${what}`,
      cause: error,
    });
  }
}

/**
 * Writes all rows, parents before children as `dumpTables` gives them. When it throws, the store keeps its mark and what
 * was written so far.
 *
 * @returns how many rows there were of each table.
 * @throws FleetError CONFLICT when the store is not empty; VALIDATION_FAILED for rows of no dump; STORE_UNAVAILABLE.
 */
export async function loadTables(
  store: Store,
  principal: Principal,
  rows: AsyncIterable<{ table: string; row: unknown }>,
): Promise<Partial<Record<DataTable, number>>> {
  await store.read(principal, assertEmpty);
  const mark = { key: restoreMark, value: 'true', updated_at: store.clock.wall() };
  await store.write(principal, (tx) => tx.insertInto('settings').values(mark).execute());
  const counts: Partial<Record<DataTable, number>> = {};
  for await (const batch of batched(rows)) {
    await insert(store, principal, batch);
    const table = batch[0]?.table;
    if (table !== undefined) counts[table] = (counts[table] ?? 0) + batch.length;
  }
  await store.write(principal, (tx) => tx.deleteFrom('settings').where('key', '=', restoreMark).execute());
  return counts;
}
