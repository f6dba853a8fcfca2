/**
 * Retention (AU-5): rows older than the retention go, a whole checkpoint range at a time, and a signed stub stays. A
 * chain that does not verify up to there keeps everything: pruning must not wash away what happened.
 */
import type { Clock } from '@labmesh/kit/clock';
import { parseJson } from '@labmesh/kit/parse-json';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { AuditKeys } from './audit-keys.ts';
import { auditPageRows, type Head, readChains } from './audit-store.ts';
import { openHeads, openStub, signStatement } from './checkpoints.ts';
import { readStub, writeStub } from './stubs.ts';
import type { AuditReader } from './reading/audit-reader.ts';

const who = system('audit-retention');

/** `reader` verifies what is to go. */
export type PruneParts = { store: Store; keys: AuditKeys; reader: AuditReader; clock: Clock; log: Logger };
/** `upTo` is the last seq that went; `refused` when the chain does not verify. */
export type Pruned = { chain: string; upTo: number; refused: boolean };

/** The newest genuine head of a chain among checkpoints made before `before` (Unix ms). */
async function headBefore({ store, keys }: PruneParts, chain: string, before: number): Promise<Head | undefined> {
  for (let until = before; ;) {
    const last = until;
    const rows = await store.read(who, (db) =>
      db
        .selectFrom('audit_checkpoints')
        .select(['created_at', 'body', 'signature'])
        .where('created_at', '<=', last)
        .orderBy('created_at', 'desc')
        .limit(auditPageRows)
        .execute(),
    );
    for (const row of rows) {
      const said = parseJson(row.body) as { heads?: { chain?: unknown }[] } | undefined;
      if (!Array.isArray(said?.heads) || !said.heads.some((head) => head?.chain === chain)) continue;
      const heads = openHeads(keys, row);
      const found =
        heads === undefined || heads === false ? undefined : heads.heads.find((head) => head.chain === chain);
      if (found !== undefined) return { seq: found.seq, hash: found.hash };
    }
    const end = rows.at(-1);
    if (end === undefined || rows.length < auditPageRows) return undefined;
    until = Math.min(end.created_at, last - 1);
  }
}

/** Deletes rows up to `seq`, some hundred at a time. */
async function deleteRows(store: Store, chain: string, seq: number): Promise<void> {
  for (;;) {
    const first = await store.read(who, (db) =>
      db.selectFrom('audit_log').select('seq').where('chain', '=', chain).orderBy('seq').limit(1).executeTakeFirst(),
    );
    if (first === undefined || first.seq > seq) return;
    const last = Math.min(seq, first.seq + auditPageRows - 1);
    await store.write(who, (tx) =>
      tx.deleteFrom('audit_log').where('chain', '=', chain).where('seq', '<=', last).execute(),
    );
  }
}

async function deleteCheckpoints(store: Store, before: number): Promise<void> {
  for (;;) {
    const rows = await store.read(who, (db) =>
      db
        .selectFrom('audit_checkpoints')
        .select('id')
        .where('created_at', '<', before)
        .orderBy('created_at')
        .limit(auditPageRows)
        .execute(),
    );
    if (rows.length === 0) return;
    const ids = rows.map(({ id }) => id);
    await store.write(who, (tx) => tx.deleteFrom('audit_checkpoints').where('id', 'in', ids).execute());
  }
}

async function pruneChain(
  parts: PruneParts,
  chain: string,
  before: number,
  signal: AbortSignal,
): Promise<Pruned | undefined> {
  const { store, keys, reader, clock, log } = parts;
  const signed = await readStub(store, chain);
  const stub = signed === undefined ? undefined : openStub(keys, signed);
  const done = stub === undefined || stub === false ? 0 : stub.seq;
  // What a pruning that was cut short left behind.
  if (done > 0) await deleteRows(store, chain, done);
  const head = await headBefore(parts, chain, before);
  if (head === undefined || head.seq <= done) return undefined;
  const { fault } = await reader.verifyChain(chain, head.seq, signal);
  if (fault !== null) {
    log.error('audit rows are kept past their retention: the chain does not verify', { chain, ...fault });
    return { chain, upTo: done, refused: true };
  }
  const now = clock.wall();
  const statement = { type: 'stub', time: new Date(now).toISOString(), chain, ...head } as const;
  await writeStub(store, chain, signStatement(keys, statement), now);
  await deleteRows(store, chain, head.seq);
  return { chain, upTo: head.seq, refused: false };
}

/**
 * Prunes all chains; safe to repeat and to cut short. One replica at a time does it (a lease), not more.
 * @throws FleetError STORE_UNAVAILABLE, what the reader gives.
 */
export async function pruneAudit(parts: PruneParts, retentionMs: number, signal: AbortSignal): Promise<Pruned[]> {
  const before = parts.clock.wall() - retentionMs;
  const pruned: Pruned[] = [];
  for (const chain of await readChains(parts.store)) {
    const one = await pruneChain(parts, chain, before, signal);
    if (one !== undefined) pruned.push(one);
  }
  // Heads of what was pruned vouch for nothing any more; of a chain that is kept they are the evidence.
  if (pruned.some(({ refused }) => !refused) && !pruned.some(({ refused }) => refused)) {
    await deleteCheckpoints(parts.store, before);
  }
  return pruned;
}
