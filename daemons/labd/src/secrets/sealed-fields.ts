/**
 * Which columns hold sealed values (SE-2). A rotation looks here for what it must wrap again, and a start without keys
 * for what would be lost, so a column that is missing from this list loses its values with the old key. Left out are
 * values that end by themselves before a key retires: answers kept for `Idempotency-Key` (24 h), logins under way.
 */
import type { Reader } from '@labmesh/store/store';
import type { Tables } from '@labmesh/store/tables';
import { sql } from 'kysely';
import { type Place, sealPrefix } from '@labmesh/pki/seal/seal-value';

export type SealedField = {
  table: keyof Tables;
  /** Primary key: its value is the `rowId` of the place. */
  idColumn: string;
  column: string;
  /** Name in the place: the column's own unless it is the wire's. */
  field: string;
};

/** Columns may hold other things beside (a password hash, a plain setting): only `enc:v1:` texts are meant. */
export const sealedFields: readonly SealedField[] = [
  { table: 'ca_keys', idColumn: 'id', column: 'sealed_key', field: 'sealed_key' },
  { table: 'settings', idColumn: 'key', column: 'value', field: 'value' },
  { table: 'user_credentials', idColumn: 'id', column: 'secret', field: 'secret' },
  { table: 'recordings', idColumn: 'id', column: 'sealed_key', field: 'sealed_key' },
  { table: 'tunnel_peers', idColumn: 'id', column: 'preshared_key_enc', field: 'preshared_key' },
  { table: 'clusters', idColumn: 'id', column: 'kubeconfig_enc', field: 'kubeconfig' },
];

export type SealedRow = { id: string; value: string };

/** Sealed values of one field in order of their ids, after `after`, at most `limit`. */
export async function sealedRows(db: Reader, at: SealedField, after: string, limit: number): Promise<SealedRow[]> {
  const [id, value] = [sql.ref(at.idColumn), sql.ref(at.column)];
  const { rows } = await sql<SealedRow>`
    select ${id} as id, ${value} as value from ${sql.table(at.table)}
    where ${value} like ${`${sealPrefix}%`} and ${id} > ${after} order by ${id} limit ${limit}`.execute(db);
  return rows;
}

/** Puts another text in place of `row.value`, unless the row changed meanwhile. */
export async function replaceSealed(db: Reader, at: SealedField, row: SealedRow, value: string): Promise<void> {
  const column = sql.ref(at.column);
  await sql`
    update ${sql.table(at.table)} set ${column} = ${value}
    where ${sql.ref(at.idColumn)} = ${row.id} and ${column} = ${row.value}`.execute(db);
}

export const placeOf = (at: SealedField, row: SealedRow): Place => ({
  table: at.table,
  rowId: row.id,
  field: at.field,
});

/** Any sealed value of the store. */
export async function firstSealed(db: Reader): Promise<string | undefined> {
  for (const field of sealedFields) {
    const [row] = await sealedRows(db, field, '', 1);
    if (row !== undefined) return row.value;
  }
  return undefined;
}
