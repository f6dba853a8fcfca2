/** arena_engines: whether engines honour seeds (AR2). Of no tenant: an engine does or does not, whoever asks. */
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';

/** What was found at `since` or later; undefined = nobody looked, null = looked at, and nothing to be seen. */
export async function readEngine(db: Reader, engine: string, since: number): Promise<boolean | null | undefined> {
  const query = db.selectFrom('arena_engines').select('replayable').where('engine', '=', engine);
  const row = await query.where('created_at', '>=', since).executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.replayable) as boolean | null);
}

/** Puts a finding in place of the one before. Rows from before `since` go, so that engines of long ago pile up nowhere. */
export async function putEngine(
  tx: Writer,
  found: { engine: string; replayable: boolean | null; at: number },
  since: number,
): Promise<void> {
  const fields = { created_at: found.at, replayable: JSON.stringify(found.replayable) };
  await tx.deleteFrom('arena_engines').where('created_at', '<', since).execute();
  await tx
    .insertInto('arena_engines')
    .values({ id: uuidv7(), engine: found.engine, ...fields })
    .onConflict((on) => on.column('engine').doUpdateSet(fields))
    .execute();
}
