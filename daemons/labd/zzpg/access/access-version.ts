/**
 * The version of everything that decides about access. Whoever changes a role, rule or binding, or disables a user,
 * bumps it in the same transaction; replicas poll it each second (RB-11).
 */
import type { Reader, Writer } from '@labmesh/store/store';

const key = 'access.version';

/** The stored version; 0 before the first change. */
export async function readAccessVersion(db: Reader): Promise<number> {
  const row = await db.selectFrom('settings').select('value').where('key', '=', key).executeTakeFirst();
  return row === undefined ? 0 : Number(row.value);
}

/** Raises the version; gives the new one. */
export async function bumpAccessVersion(tx: Writer, now: number): Promise<number> {
  const next = (await readAccessVersion(tx)) + 1;
  const row = { key, value: String(next), updated_at: now };
  await tx
    .insertInto('settings')
    .values(row)
    .onConflict((on) => on.column('key').doUpdateSet({ value: row.value, updated_at: now }))
    .execute();
  return next;
}
