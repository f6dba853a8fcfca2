/** The audit table as the log reads and writes it. Reads page by seq within one chain, at most 500 rows (ST-5). */
import { preparedInsert } from '@labmesh/store/prepared';
import type { Reader, Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { type AuditRecord, fromTableRow } from './audit-row.ts';

const who = system('audit');
export const auditPageRows = 500;

export type Head = { seq: number; hash: string };

/** The last row of a chain. */
export async function readHead(db: Reader, chain: string): Promise<Head | undefined> {
  return db
    .selectFrom('audit_log')
    .select(['seq', 'hash'])
    .where('chain', '=', chain)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Rows of a chain with seq ≥ `from`, in order. */
export async function readChain(
  store: Store,
  chain: string,
  from: number,
  limit = auditPageRows,
): Promise<AuditRecord[]> {
  const rows = await store.read(who, (db) =>
    db
      .selectFrom('audit_log')
      .selectAll()
      .where('chain', '=', chain)
      .where('seq', '>=', from)
      .orderBy('seq')
      .limit(limit)
      .execute(),
  );
  return rows.map(fromTableRow);
}

/** All chains that have rows; each step is one look into the index of (chain, seq). */
export async function readChains(store: Store): Promise<string[]> {
  const chains: string[] = [];
  for (let after = ''; ;) {
    const row = await store.read(who, (db) =>
      db
        .selectFrom('audit_log')
        .select('chain')
        .where('chain', '>', after)
        .orderBy('chain')
        .limit(1)
        .executeTakeFirst(),
    );
    if (row === undefined) return chains;
    chains.push(row.chain);
    after = row.chain;
  }
}

/** Adds rows in one transaction. */
export const insertRows = preparedInsert('audit_log', [
  'id',
  'chain',
  'seq',
  'key_id',
  'at',
  'phase',
  'principal_kind',
  'principal_id',
  'principal',
  'session',
  'source_ip',
  'request_id',
  'action',
  'resource',
  'resource_id',
  'result',
  'code',
  'duration_ms',
  'details',
  'prev_hash',
  'hash',
]);

const scanRows = 5_000;

/** Looks through a whole chain, in parts, for rows that follow `prevHash` by their own word and pass the test. */
export async function findMoved(
  store: Store,
  chain: string,
  prevHash: string,
  test: (row: AuditRecord) => boolean,
): Promise<boolean> {
  const head = await store.read(who, (db) => readHead(db, chain));
  for (let from = 0; from <= (head?.seq ?? -1); from += scanRows) {
    const rows = await store.read(who, (db) =>
      db
        .selectFrom('audit_log')
        .selectAll()
        .where('chain', '=', chain)
        .where('seq', '>=', from)
        .where('seq', '<', from + scanRows)
        .where('prev_hash', '=', prevHash)
        .limit(auditPageRows)
        .execute(),
    );
    if (rows.map(fromTableRow).some(test)) return true;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}
