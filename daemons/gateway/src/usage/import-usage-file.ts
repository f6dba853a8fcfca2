/** The sums of versions that kept them in `usage.json`: added to the store once, the file is kept as `.imported`. */
import { createHash } from 'node:crypto';
import { renameSync } from 'node:fs';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile } from '@labmesh/kit/saved-file';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { z } from 'zod';
import { addUsage } from './usage-rows.ts';

const count = z.int().min(0);
const sums = z.object({
  key: z.string(),
  model: z.string(),
  requests: count,
  errors: count,
  promptTokens: count,
  completionTokens: count,
  cachedTokens: count,
  estimated: count,
});
const stored = z.object({ version: z.literal(1), rows: z.array(sums) });

/** Once, also when it is killed before the file has its new name. Throws when the file is damaged. */
export async function importUsageFile(store: Store, path: string, now: number): Promise<void> {
  const text = readPrivateFile(path);
  if (text === undefined) return;
  const read = stored.safeParse(parseJson(text));
  if (!read.success) throw new Error(`${path} is damaged; move it away to begin with what the database has`);
  const key = `gateway.usage-imported.${createHash('sha256').update(text).digest('hex')}`;
  await store.write(system('import-usage'), async (tx) => {
    const mark = { key, value: '{}', updated_at: now };
    const insert = tx.insertInto('settings').values(mark);
    const { numInsertedOrUpdatedRows = 0n } = await insert
      .onConflict((on) => on.column('key').doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows > 0n) await addUsage(tx, read.data.rows, now);
  });
  renameSync(path, `${path}.imported`);
}
