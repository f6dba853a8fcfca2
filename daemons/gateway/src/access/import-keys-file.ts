/** The keys of versions that kept them in `keys.json`: moved into the store once, the file is kept as `.imported`. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile } from '@labmesh/kit/saved-file';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { z } from 'zod';

/** What a hand or an older version wrote there is checked before it is trusted. */
const storedKey = z.object({
  id: z.string(),
  name: z.string(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(z.string()),
  createdAt: z.number(),
  lastUsedAt: z.number().optional(),
  revokedAt: z.number().optional(),
});
const storedKeys = z.object({ version: z.literal(1), keys: z.array(storedKey) });

/** Idempotent: a key that is in the store already stays as it is there. Throws when the file is damaged. */
export async function importKeysFile(store: Store, folder: string): Promise<void> {
  const path = join(folder, 'keys.json');
  const text = readPrivateFile(path);
  if (text === undefined) return;
  const read = storedKeys.safeParse(parseJson(text));
  if (!read.success) throw new Error(`${path} is damaged; restore it, or remove it to begin with no keys`);
  await store.write(system('import-keys'), async (tx) => {
    for (const { id, name, hash, scopes, createdAt, lastUsedAt = null, revokedAt = null } of read.data.keys) {
      const row = {
        id,
        name,
        hash,
        scopes: JSON.stringify(scopes),
        created_at: createdAt,
        last_used_at: lastUsedAt,
        revoked_at: revokedAt,
        tenant: 'default',
        verification: null,
        variations: null,
      };
      await tx
        .insertInto('keys')
        .values(row)
        .onConflict((on) => on.column('id').doNothing())
        .execute();
    }
  });
  renameSync(path, `${path}.imported`);
}
