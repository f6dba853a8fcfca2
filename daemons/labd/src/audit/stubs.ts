/**
 * Stubs: after pruning, a signed statement of the last row that went, from which verification goes on (AU-5). The stub
 * in force stands in `settings`; a copy is among the checkpoints, so that the sinks get it, too.
 */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { readChains } from './audit-store.ts';
import type { Signed } from './checkpoints.ts';
import { checkpointPages } from './verify/known-heads.ts';

const who = system('audit-stubs');
const prefix = 'audit.stub.';

/** The stub of a chain, its signature not checked yet; a damaged one comes back as it is and fails the check. */
export async function readStub(store: Store, chain: string): Promise<Signed | undefined> {
  const row = await store.read(who, (db) =>
    db.selectFrom('settings').select('value').where('key', '=', `${prefix}${chain}`).executeTakeFirst(),
  );
  if (row === undefined) return undefined;
  const { body, signature } = (parseJson(row.value) ?? {}) as Partial<Signed>;
  return { body: String(body), signature: String(signature) };
}

/** Puts a stub in force. */
export async function writeStub(store: Store, chain: string, stub: Signed, now: number): Promise<void> {
  const value = JSON.stringify(stub);
  const checkpoint = { id: uuidv7(), created_at: now, replica_id: chain, ...stub };
  await store.write(who, async (tx) => {
    await tx
      .insertInto('settings')
      .values({ key: `${prefix}${chain}`, value, updated_at: now })
      .onConflict((on) => on.column('key').doUpdateSet({ value, updated_at: now }))
      .execute();
    await tx.insertInto('audit_checkpoints').values(checkpoint).execute();
  });
}

const chainsIn = (signed: Signed): string[] => {
  const { heads } = (parseJson(signed.body) ?? {}) as { heads?: unknown };
  if (!Array.isArray(heads)) return [];
  return (heads as ({ chain?: unknown } | null)[]).flatMap((head) =>
    typeof head?.chain === 'string' ? [head.chain] : [],
  );
};

/** Every chain that rows, stubs or checkpoints tell of: one whose rows are all gone is among them. */
export async function chainsToVerify(store: Store, outside: readonly Signed[]): Promise<string[]> {
  const found = new Set([...(await readChains(store)), ...outside.flatMap(chainsIn)]);
  const stubs = await store.read(who, (db) =>
    db.selectFrom('settings').select('key').where('key', 'like', `${prefix}%`).execute(),
  );
  for (const { key } of stubs) found.add(key.slice(prefix.length));
  for await (const page of checkpointPages(store)) for (const chain of page.flatMap(chainsIn)) found.add(chain);
  return [...found].toSorted();
}
