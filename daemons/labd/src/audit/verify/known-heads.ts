/**
 * The heads of one chain that checkpoints vouch for, as a stream in the order they were made, so that 400 days of them
 * need no memory. A head that repeats the one before costs no signature check.
 */
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { parseJson } from '@labmesh/kit/parse-json';
import type { VerifyKeys } from '../audit-keys.ts';
import { type Heads, openHeads, type Signed } from '../checkpoints.ts';

/** `genuine` is false when the signature does not hold. `at` is Unix ms. */
export type KnownHead = { seq: number; hash: string; at: number; genuine: boolean };

/** The heads of a chain in checkpoints from outside. */
export const outsideHeads = (keys: VerifyKeys, chain: string, outside: readonly Signed[]): KnownHead[] =>
  outside.flatMap((signed) => headIn(keys, signed, chain, () => true) ?? []);

const who = system('audit-verify');
/** Each costs a signature check of some 60 µs at most: a page holds the loop for about 10 ms. */
const pageRows = 200;

/** What is in a checkpoint about a chain; its signature is checked only when `isNew` says that it adds something. */
function headIn(
  keys: VerifyKeys,
  signed: Signed,
  chain: string,
  isNew: (head: { seq: number; hash: string }) => boolean,
): KnownHead | undefined {
  const body = parseJson(signed.body) as Partial<Heads> | undefined;
  const said = Array.isArray(body?.heads) ? body.heads.find((one) => one?.chain === chain) : undefined;
  if (said === undefined || !isNew(said)) return undefined;
  const heads = openHeads(keys, signed);
  if (heads === undefined) return undefined;
  const found = heads === false ? said : heads.heads.find((one) => one.chain === chain);
  if (found === undefined || !Number.isSafeInteger(found.seq)) return undefined;
  const at = Date.parse(String(body?.time));
  return { seq: found.seq, hash: found.hash, at: Number.isNaN(at) ? 0 : at, genuine: heads !== false };
}

/** Heads of the store's checkpoints, oldest first. */
export async function* storedHeads(store: Store, keys: VerifyKeys, chain: string): AsyncGenerator<KnownHead> {
  let last = '';
  const isNew = (head: { seq: number; hash: string }) => `${head.seq} ${head.hash}` !== last;
  for await (const page of checkpointPages(store)) {
    for (const row of page) {
      const head = headIn(keys, row, chain, isNew);
      if (head === undefined) continue;
      last = `${head.seq} ${head.hash}`;
      yield head;
    }
  }
}

/** All checkpoints of the store, oldest first, with a turn of the loop between pages. */
export async function* checkpointPages(store: Store): AsyncGenerator<(Signed & { id: string; created_at: number })[]> {
  for (let after = { created_at: -1, id: '' }; ;) {
    const from = after;
    const rows = await store.read(who, (db) =>
      db
        .selectFrom('audit_checkpoints')
        .select(['id', 'created_at', 'body', 'signature'])
        .where((on) =>
          on.or([
            on('created_at', '>', from.created_at),
            on.and([on('created_at', '=', from.created_at), on('id', '>', from.id)]),
          ]),
        )
        .orderBy('created_at')
        .orderBy('id')
        .limit(pageRows)
        .execute(),
    );
    yield rows;
    const end = rows.at(-1);
    if (end === undefined || rows.length < pageRows) return;
    after = end;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
