/** arena_triplets: every call names the tenant, and sees only what is its own (P6). */
import { type Page, page } from '@labmesh/store/page';
import type { Reader, Writer } from '@labmesh/store/store';
import type { TripletStats, TripletSummary, TripletsRemoved } from '@labmesh/wire/verification/datasets';
import {
  type Triplet,
  tripletQualities,
  tripletSchema,
  tripletSources,
  tripletStages,
} from '@labmesh/wire/verification/preference';
import { PairsError } from './pairs-error.ts';
import type { PairsOfRun } from './pairs-of-run.ts';
import { freePairs } from './stage-rows.ts';
import { tripletId } from './triplet-id.ts';

const millionths = 1_000_000;
export const confidencePpm = (confidence: number) => Math.round(confidence * millionths);

/**
 * Adds what is not there yet. `revision` tells a row that was made anew under its old id from the one before it.
 * @returns how many were new
 */
export async function insertTriplets(tx: Writer, pairs: PairsOfRun['pairs'], revision = 1): Promise<number> {
  if (pairs.length === 0) return 0;
  const rows = pairs.map(({ triplet, text }) => ({
    id: triplet.id,
    created_at: Date.parse(triplet.created_at),
    tenant: triplet.tenant,
    run_id: triplet.run_id,
    certificate_id: triplet.certificate_id,
    quality: triplet.quality,
    source: triplet.source,
    status: triplet.status,
    confidence_ppm: confidencePpm(triplet.confidence),
    triplet: text,
    revision,
  }));
  const insert = tx.insertInto('arena_triplets').values(rows);
  const added = await insert.onConflict((on) => on.column('id').doNothing()).executeTakeFirst();
  return Number(added.numInsertedOrUpdatedRows ?? 0n);
}

/**
 * A stored pair, read as carefully as a stranger's: undefined when the text is no triplet, or is not the one that its id
 * and tenant name.
 */
export function readTriplet(row: { id: string; tenant: string; triplet: string }): Triplet | undefined {
  try {
    const { data } = tripletSchema.safeParse(JSON.parse(row.triplet));
    if (data === undefined || data.id !== row.id || data.tenant !== row.tenant) return undefined;
    return tripletId(data) === row.id ? data : undefined;
  } catch {
    return undefined;
  }
}

export type ListTriplets = {
  limit: number;
  cursor?: string | undefined;
  quality?: (typeof tripletQualities)[number] | undefined;
  source?: (typeof tripletSources)[number] | undefined;
  run?: string | undefined;
};

/** Oldest ids first: an id says nothing of time. @throws FleetError VALIDATION_FAILED for a foreign cursor */
export async function listTriplets(db: Reader, tenant: string, ask: ListTriplets): Promise<Page<TripletSummary>> {
  let query = db
    .selectFrom('arena_triplets')
    .select(['id', 'run_id', 'certificate_id', 'quality', 'source', 'status', 'confidence_ppm', 'created_at', 'stage'])
    .where('tenant', '=', tenant);
  if (ask.quality !== undefined) query = query.where('quality', '=', ask.quality);
  if (ask.source !== undefined) query = query.where('source', '=', ask.source);
  if (ask.run !== undefined) query = query.where('run_id', '=', ask.run);
  const by = [{ column: 'id', type: 'text' } as const];
  const found = await page(query, { list: 'triplets', by, limit: ask.limit, cursor: ask.cursor });
  const items = found.items.map((row) => ({
    id: row.id,
    runId: row.run_id,
    certificateId: row.certificate_id,
    quality: row.quality as TripletSummary['quality'],
    source: row.source as TripletSummary['source'],
    status: row.status as TripletSummary['status'],
    stage: row.stage as TripletSummary['stage'],
    confidence: row.confidence_ppm / millionths,
    createdAt: new Date(row.created_at).toISOString(),
  }));
  return { items, nextCursor: found.nextCursor };
}

/** @throws PairsError TRIPLET_NOT_FOUND, also for another tenant's; DATASET_DAMAGED */
export async function getTriplet(db: Reader, tenant: string, id: string): Promise<Triplet> {
  const query = db.selectFrom('arena_triplets').select(['id', 'tenant', 'triplet']).where('id', '=', id);
  const row = await query.where('tenant', '=', tenant).executeTakeFirst();
  if (row === undefined) throw new PairsError('TRIPLET_NOT_FOUND', 'there is no such pair');
  const triplet = readTriplet(row);
  if (triplet === undefined) throw new PairsError('DATASET_DAMAGED', 'the stored pair is not what its id names');
  return triplet;
}

type Counted = Omit<TripletStats, 'datasets' | 'trainingAllowed'>;

/** Ended runs that wait to be looked at, and that could not be read. */
async function countRuns(db: Reader, tenant: string): Promise<Counted['runs']> {
  const found = await db
    .selectFrom('arena_runs')
    .where('tenant', '=', tenant)
    .where('finished_at', 'is not', null)
    .where((where) => where.or([where('pairs_state', 'is', null), where('pairs_state', '=', 'failed')]))
    .groupBy('pairs_state')
    .select((row) => ['pairs_state', row.fn.countAll<number>().as('count')])
    .execute();
  const of = (state: string | null) => found.find((row) => row.pairs_state === state)?.count ?? 0;
  return { waiting: of(null), failed: of('failed') };
}

export async function tripletStats(db: Reader, tenant: string): Promise<Counted> {
  const groups = await db
    .selectFrom('arena_triplets')
    .where('tenant', '=', tenant)
    .where('status', '=', 'active')
    .groupBy(['quality', 'source', 'stage'])
    .select((row) => [
      'quality',
      'source',
      'stage',
      row.fn.countAll<number>().as('count'),
      row.fn.sum<number>('confidence_ppm').as('confidence'),
      row.fn.max<number>('created_at').as('newest'),
    ])
    .execute();
  const sumOf = (pick: (group: (typeof groups)[number]) => boolean) =>
    groups.filter(pick).reduce((sum, { count }) => sum + count, 0);
  const total = sumOf(() => true);
  const confidence = groups.reduce((sum, group) => sum + group.confidence, 0);
  const newest = Math.max(...groups.map((group) => group.newest));
  const tally = <N extends string>(column: 'quality' | 'source' | 'stage', names: readonly N[]) => {
    const counts = names.map((name) => [name, sumOf((group) => group[column] === name)]);
    return Object.fromEntries(counts) as Record<N, number>;
  };
  return {
    total,
    qualities: tally('quality', tripletQualities),
    sources: tally('source', tripletSources),
    stages: tally('stage', tripletStages),
    runs: await countRuns(db, tenant),
    meanConfidence: total === 0 ? null : confidence / total / millionths,
    newestAt: total === 0 ? null : new Date(newest).toISOString(),
  };
}

export type Removal = { id: string } | { run: string } | { all: true };

function matchOf(what: Removal): { column: 'id' | 'run_id'; value: string } | undefined {
  if ('id' in what) return { column: 'id', value: what.id };
  return 'run' in what ? { column: 'run_id', value: what.run } : undefined;
}

/** Runs whose pairs are deleted are not asked for them again. */
async function closeRuns(tx: Writer, tenant: string, what: Removal): Promise<void> {
  let runs = tx
    .updateTable('arena_runs')
    .set({ pairs_state: 'processed' })
    .where('tenant', '=', tenant)
    .where('pairs_state', 'is', null);
  if ('run' in what) runs = runs.where('id', '=', what.run);
  if ('id' in what) {
    const made = tx
      .selectFrom('arena_triplets')
      .select('run_id')
      .where('tenant', '=', tenant)
      .where('id', '=', what.id);
    runs = runs.where('id', 'in', made);
  }
  await runs.execute();
}

/** What people wrote of the runs may quote them. Of a single pair it stays: it is of two answers, which may be in others. */
async function removeLabels(tx: Writer, tenant: string, what: Removal): Promise<void> {
  if ('id' in what) return;
  const labels = tx.deleteFrom('arena_labels').where('tenant', '=', tenant);
  await ('run' in what ? labels.where('run_id', '=', what.run) : labels).execute();
}

/**
 * Deletes pairs, and taints the versions that hold them: what was frozen is no longer whole (PD3). The other pairs of a
 * version that never left wait for the next one.
 */
export async function removeTriplets(tx: Writer, tenant: string, what: Removal): Promise<TripletsRemoved> {
  await closeRuns(tx, tenant, what);
  await removeLabels(tx, tenant, what);
  const match = matchOf(what);
  let gone = tx.selectFrom('arena_triplets').select('id').where('tenant', '=', tenant);
  let deletion = tx.deleteFrom('arena_triplets').where('tenant', '=', tenant);
  if (match !== undefined) {
    gone = gone.where(match.column, '=', match.value);
    deletion = deletion.where(match.column, '=', match.value);
  }
  const tainted = await tx
    .updateTable('arena_datasets')
    .set((row) => ({ state: 'tainted', revision: row('revision', '+', 1) }))
    .where('tenant', '=', tenant)
    .where('state', '=', 'frozen')
    .where('id', 'in', tx.selectFrom('arena_dataset_rows').select('dataset_id').where('triplet_id', 'in', gone))
    .returning('id')
    .execute();
  const removed = await deletion.executeTakeFirst();
  for (const { id } of tainted) await freePairs(tx, tenant, id);
  return { removed: Number(removed.numDeletedRows), taintedDatasets: tainted.length };
}
