/** A row or more for every table, with the values that engines may treat differently. */
import { columns, type ColumnType, dataTables, type DataTable, primaryKey } from '../dump/columns.ts';
import type { DumpRow } from '../dump/dump-tables.ts';

const texts = ['', 'plain', `'"\\ %_;--`, 'Ünïcödé 😀', '{"a":[1,null]}', '1e5', ' padded ', 'line\nbreak\t'];
const integers = [0, 1, -1, 253_402_300_799_999, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

/** Enough rows for three pages of the largest. */
const rowsOf = (table: DataTable): number => (table === 'audit_log' ? 1_203 : table === 'settings' ? 1 : 7);

const parents: Readonly<Record<string, string>> = {
  server_id: 'server_labels',
  user_id: 'user_credentials',
  role_id: 'permissions',
};
const parentTable: Readonly<Record<string, string>> = {
  server_labels: 'servers',
  user_credentials: 'users',
  permissions: 'roles',
};

function valueOf(table: string, column: string, type: ColumnType, at: number): string | number | null {
  if (parents[column] === table) return `${parentTable[table]}-id-${at}`;
  if (primaryKey(table as DataTable).includes(column)) return `${table}-${column}-${at}`;
  if (type.endsWith('?') && at % 3 === 0) return null;
  // Every other column may be under a unique key, so values differ from row to row.
  if (type.startsWith('integer'))
    return column === 'seq' || column === 'number' || column === 'part' ? at : (integers[at % integers.length] ?? 0);
  return `${texts[at % texts.length]}${at}`;
}

/** Rows of every table, parents first. */
export function sampleRows(): DumpRow[] {
  return dataTables.flatMap((table) =>
    Array.from({ length: rowsOf(table) }, (_, at) => ({
      table,
      row: Object.fromEntries(
        Object.entries(columns[table]).map(([column, type]) => [column, valueOf(table, column, type, at)]),
      ),
    })),
  );
}
