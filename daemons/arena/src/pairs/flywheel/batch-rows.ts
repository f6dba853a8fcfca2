/** arena_batches: every call of a tenant names it (P6). */
import { type Page, page } from '@labmesh/store/page';
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Batch } from '@labmesh/wire/verification/datasets';
import { PairsError } from '../pairs-error.ts';

type Row = Awaited<ReturnType<typeof readRow>>;
const readRow = (db: Reader, tenant: string, id: string) =>
  db.selectFrom('arena_batches').selectAll().where('tenant', '=', tenant).where('id', '=', id).executeTakeFirst();

const viewOf = (row: NonNullable<Row>): Batch => ({
  id: row.id,
  state: row.state as Batch['state'],
  pairs: row.pairs,
  name: row.name,
  datasetId: row.dataset_id,
  fault: row.fault,
  decidedBy: row.decided_by,
  decidedAt: row.decided_at === null ? null : new Date(row.decided_at).toISOString(),
  createdAt: new Date(row.created_at).toISOString(),
});

/** @throws PairsError BATCH_NOT_FOUND, also for another tenant's */
export async function getBatch(db: Reader, tenant: string, id: string): Promise<Batch> {
  const row = await readRow(db, tenant, id);
  if (row === undefined) throw new PairsError('BATCH_NOT_FOUND', 'there is no such batch');
  return viewOf(row);
}

/** Newest first. @throws FleetError VALIDATION_FAILED for a foreign cursor */
export async function listBatches(
  db: Reader,
  tenant: string,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<Page<Batch>> {
  const query = db.selectFrom('arena_batches').selectAll().where('tenant', '=', tenant);
  const by = [{ column: 'id', type: 'text' } as const];
  const found = await page(query, { list: 'batches', by, descending: true, limit, cursor });
  return { items: found.items.map(viewOf), nextCursor: found.nextCursor };
}

/** The one that waits for a person. */
export async function openBatch(db: Reader, tenant: string): Promise<Batch | undefined> {
  const query = db.selectFrom('arena_batches').selectAll().where('tenant', '=', tenant);
  const row = await query.where('state', '=', 'proposed').orderBy('id', 'desc').limit(1).executeTakeFirst();
  return row && viewOf(row);
}

/** Tenants with at least so many pairs in no version. */
export const tenantsWaiting = (db: Reader, least: number, limit: number) =>
  db
    .selectFrom('arena_triplets')
    .where('stage', '=', 'pending')
    .where('status', '=', 'active')
    .groupBy('tenant')
    .select((row) => ['tenant', row.fn.countAll<number>().as('pairs')])
    .having((row) => row.fn.countAll<number>(), '>=', least)
    .limit(limit)
    .execute();

/** When the tenant's last batch was decided, Unix ms: 0 without any, undefined while one is open. */
export async function lastDecision(db: Reader, tenant: string): Promise<number | undefined> {
  const query = db.selectFrom('arena_batches').select(['state', 'decided_at']).where('tenant', '=', tenant);
  const last = await query.orderBy('id', 'desc').limit(1).executeTakeFirst();
  if (last === undefined) return 0;
  return last.state === 'proposed' || last.state === 'approved' ? undefined : (last.decided_at ?? 0);
}

/** Pairs of a tenant that are in no version and came after a moment. */
export async function countPending(db: Reader, tenant: string, after: number): Promise<number> {
  const query = db.selectFrom('arena_triplets').where('stage', '=', 'pending').where('tenant', '=', tenant);
  const fresh = query.where('status', '=', 'active').where('created_at', '>', after);
  return (await fresh.select((row) => row.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()).count;
}

type Draft = { tenant: string; pairs: number; name: string; createdAt: number; by: string | null };

/** `by`: who approved it at once; null leaves it to a person. */
export const addBatch = (tx: Writer, { tenant, pairs, name, createdAt, by }: Draft) =>
  tx
    .insertInto('arena_batches')
    .values({
      id: uuidv7(),
      created_at: createdAt,
      tenant,
      pairs,
      name,
      state: by === null ? 'proposed' : 'approved',
      decided_by: by,
      decided_at: by === null ? null : createdAt,
    })
    .execute();

type Decision = { tenant: string; id: string; by: string; at: number; name?: string | undefined };

/** @throws PairsError BATCH_NOT_FOUND, BATCH_DECIDED */
export async function decideBatch(tx: Writer, state: 'approved' | 'rejected', decision: Decision): Promise<void> {
  const { tenant, id, by, at, name } = decision;
  await getBatch(tx, tenant, id);
  const decided = await tx
    .updateTable('arena_batches')
    .set((row) => ({
      state,
      decided_by: by,
      decided_at: at,
      revision: row('revision', '+', 1),
      ...(name !== undefined && { name }),
    }))
    .where('id', '=', id)
    .where('state', '=', 'proposed')
    .returning('id')
    .executeTakeFirst();
  if (decided === undefined) throw new PairsError('BATCH_DECIDED', 'this batch was decided before');
}

/** What came of an approved batch: a version, or why none. @throws PairsError BATCH_DECIDED when another was first */
export async function closeBatch(
  tx: Writer,
  id: string,
  made: { datasetId: string } | { fault: string },
): Promise<void> {
  const end =
    'fault' in made ? { state: 'failed', fault: made.fault } : { state: 'frozen', dataset_id: made.datasetId };
  const closed = await tx
    .updateTable('arena_batches')
    .set((row) => ({ ...end, revision: row('revision', '+', 1) }))
    .where('id', '=', id)
    .where('state', '=', 'approved')
    .returning('id')
    .executeTakeFirst();
  if (closed === undefined) throw new PairsError('BATCH_DECIDED', 'this batch has its version');
}

/** Approved ones that have no version yet, of all tenants. */
export const approvedBatches = (db: Reader, limit: number) =>
  db
    .selectFrom('arena_batches')
    .select(['id', 'tenant', 'name', 'decided_by'])
    .where('state', '=', 'approved')
    .orderBy('id')
    .limit(limit)
    .execute();
