/**
 * The whole store as rows, for backups (BK-1): one consistent snapshot, in pages of at most 500 rows, holding up no
 * writer. Every value is text, a safe integer or null, so a row is JSON as it is and goes into either engine.
 */
import type { Principal } from '@labmesh/wire/fleet/principal';
import { type Kysely, sql } from 'kysely';
import { asStoreError } from '../store-errors.ts';
import type { Store } from '../store.ts';
import { dataTables, type DataTable, primaryKey } from './columns.ts';

export type DumpRow = { table: DataTable; row: Record<string, string | number | null> };

/** What is true of running replicas only; a restored store must not believe it. */
export const volatileTables: readonly DataTable[] = ['agent_sessions', 'replicas', 'leases'];

const pageRows = 500;

type AnyTable = Kysely<Record<string, Record<string, string | number | null>>>;

/** The rows of one table in the order of its primary key. */
async function* rowsOf(db: AnyTable, table: DataTable): AsyncGenerator<DumpRow> {
  const key = primaryKey(table);
  const columns = sql.join(key.map((column) => sql.ref(column)));
  let query = db.selectFrom(table).selectAll().limit(pageRows);
  for (const column of key) query = query.orderBy(column);
  let last: DumpRow['row'] | undefined;
  for (;;) {
    const after = last;
    const rest = after && query.where(sql<boolean>`(${columns}) > (${sql.join(key.map((column) => after[column]))})`);
    const rows = await (rest ?? query).execute().catch((error: unknown) => {
      throw asStoreError(error);
    });
    for (const row of rows) yield { table, row };
    if (rows.length < pageRows) return;
    last = rows.at(-1);
  }
}

/**
 * All rows of `tables` (all but the volatile ones unless given), parents before children. The snapshot ends with the
 * iteration, also when it is left early.
 *
 * @throws FleetError STORE_UNAVAILABLE.
 */
export async function* dumpTables(
  store: Store,
  principal: Principal,
  tables: readonly DataTable[] = dataTables.filter((table) => !volatileTables.includes(table)),
): AsyncGenerator<DumpRow> {
  await using snapshot = await store.snapshot(principal);
  for (const table of tables) yield* rowsOf(snapshot.db as unknown as AnyTable, table);
}
