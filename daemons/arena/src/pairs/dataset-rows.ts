/** arena_datasets and the lists of ids that they froze. Every call names the tenant (P6). */
import { type Page, page } from '@labmesh/store/page';
import type { Reader, Writer } from '@labmesh/store/store';
import {
  type Dataset,
  type DatasetFilters,
  datasetFiltersSchema,
  datasetLimits,
  type DatasetPart,
} from '@labmesh/wire/verification/datasets';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Chosen } from './choose-rows.ts';
import { PairsError } from './pairs-error.ts';
import { freezePairs } from './stage-rows.ts';

export type DatasetDraft = {
  tenant: string;
  name: string;
  author: string;
  filters: DatasetFilters;
  /** Unix ms. */
  createdAt: number;
};
/** Ids of one statement: well below what SQLite and PostgreSQL take as parameters. */
const idsAtOnce = 500;

const notFound = () => new PairsError('DATASET_NOT_FOUND', 'there is no such version');

async function nextNumber(tx: Writer, { tenant, name }: DatasetDraft): Promise<number> {
  const found = await tx
    .selectFrom('arena_datasets')
    .where('tenant', '=', tenant)
    .select((row) => [
      row.fn.countAll<number>().as('versions'),
      row.fn.max<number | null>(row.case().when('name', '=', name).then(row.ref('number')).else(0).end()).as('last'),
    ])
    .executeTakeFirstOrThrow();
  if (found.versions >= datasetLimits.versionsMost) {
    throw new PairsError('DATASETS_FULL', `a tenant has at most ${datasetLimits.versionsMost} versions`);
  }
  return (found.last ?? 0) + 1;
}

async function revisionsOf(tx: Writer, id: string): Promise<number> {
  const rows = tx.selectFrom('arena_dataset_rows').select('triplet_id').where('dataset_id', '=', id);
  const query = tx.selectFrom('arena_triplets').where('id', 'in', rows);
  const { sum } = await query.select((row) => row.fn.sum<number>('revision').as('sum')).executeTakeFirstOrThrow();
  return sum;
}

/**
 * Writes a version. The ids are taken from the pairs that stand at this moment: one that was deleted since it was chosen
 * is not frozen, and neither is one whose text is another now.
 * @throws PairsError DATASETS_FULL; DATASET_MOVED when a pair is gone: choose anew
 */
export async function insertDataset(tx: Writer, draft: DatasetDraft, chosen: Chosen): Promise<string> {
  const id = uuidv7();
  const number = await nextNumber(tx, draft);
  const row = {
    id,
    created_at: draft.createdAt,
    tenant: draft.tenant,
    name: draft.name,
    number,
    sha256: chosen.sha256,
    count: chosen.rows.length,
    filters: JSON.stringify(draft.filters),
    author: draft.author,
    state: 'frozen',
    log_index: null,
  };
  await tx.insertInto('arena_datasets').values(row).execute();
  let written = 0;
  for (const part of ['train', 'test'] as const) {
    const ids = chosen.rows.filter((one) => one.part === part).map((one) => one.id);
    for (let from = 0; from < ids.length; from += idsAtOnce) {
      const some = ids.slice(from, from + idsAtOnce);
      const added = await tx
        .insertInto('arena_dataset_rows')
        .columns(['dataset_id', 'triplet_id', 'part'])
        .expression((db) =>
          db
            .selectFrom('arena_triplets')
            .select((of) => [
              of.cast<string>(of.val(id), 'text').as('dataset_id'),
              'id',
              of.cast<string>(of.val(part), 'text').as('part'),
            ])
            .where('tenant', '=', draft.tenant)
            .where('id', 'in', some),
        )
        .executeTakeFirst();
      written += Number(added.numInsertedOrUpdatedRows ?? 0n);
    }
  }
  if (written !== chosen.rows.length) throw new PairsError('DATASET_MOVED', 'pairs were deleted meanwhile; try again');
  if ((await revisionsOf(tx, id)) !== chosen.revisions) {
    throw new PairsError('DATASET_MOVED', 'pairs were made anew meanwhile; try again');
  }
  await freezePairs(tx, draft.tenant, id);
  return id;
}

type Row = Awaited<ReturnType<typeof readRow>>;
const readRow = (db: Reader, tenant: string, id: string) =>
  db.selectFrom('arena_datasets').selectAll().where('tenant', '=', tenant).where('id', '=', id).executeTakeFirst();

const noFilters = datasetFiltersSchema.parse({});

function filtersOf(text: string): DatasetFilters {
  try {
    return datasetFiltersSchema.catch(noFilters).parse(JSON.parse(text));
  } catch {
    return noFilters;
  }
}

async function trainCounts(db: Reader, ids: readonly string[]): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map();
  const found = await db
    .selectFrom('arena_dataset_rows')
    .where('dataset_id', 'in', ids)
    .where('part', '=', 'train')
    .groupBy('dataset_id')
    .select((row) => ['dataset_id', row.fn.countAll<number>().as('count')])
    .execute();
  return new Map(found.map(({ dataset_id: id, count }) => [id, count]));
}

const viewOf = (row: NonNullable<Row>, train: number): Dataset => ({
  id: row.id,
  name: row.name,
  number: row.number,
  sha256: row.sha256,
  count: row.count,
  train,
  test: row.count - train,
  filters: filtersOf(row.filters),
  author: row.author,
  state: row.state === 'frozen' ? 'frozen' : 'tainted',
  stage: row.stage as Dataset['stage'],
  logIndex: row.log_index,
  createdAt: new Date(row.created_at).toISOString(),
});

/** Newest first. @throws FleetError VALIDATION_FAILED for a foreign cursor */
export async function listDatasets(
  db: Reader,
  tenant: string,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<Page<Dataset>> {
  const query = db.selectFrom('arena_datasets').selectAll().where('tenant', '=', tenant);
  const by = [{ column: 'id', type: 'text' } as const];
  const found = await page(query, { list: 'datasets', by, descending: true, limit, cursor });
  const trains = await trainCounts(
    db,
    found.items.map(({ id }) => id),
  );
  return { items: found.items.map((row) => viewOf(row, trains.get(row.id) ?? 0)), nextCursor: found.nextCursor };
}

/** `name` is the newest version of the name, `name@3` its third; an id is itself. */
async function idOf(db: Reader, tenant: string, ref: string): Promise<string> {
  const [, name = '', number] = /^([a-z0-9][a-z0-9_-]{0,62})(?:@([1-9]\d{0,6}))?$/.exec(ref) ?? [];
  let query = db.selectFrom('arena_datasets').select('id').where('tenant', '=', tenant).where('name', '=', name);
  if (number !== undefined) query = query.where('number', '=', Number(number));
  return (await query.orderBy('number', 'desc').limit(1).executeTakeFirst())?.id ?? ref;
}

/** @throws PairsError DATASET_NOT_FOUND, also for another tenant's */
export async function getDataset(db: Reader, tenant: string, ref: string): Promise<Dataset> {
  const row = (await readRow(db, tenant, ref)) ?? (await readRow(db, tenant, await idOf(db, tenant, ref)));
  if (row === undefined) throw notFound();
  return viewOf(row, (await trainCounts(db, [row.id])).get(row.id) ?? 0);
}

export async function countDatasets(db: Reader, tenant: string): Promise<number> {
  const query = db.selectFrom('arena_datasets').where('tenant', '=', tenant);
  const { count } = await query.select((row) => row.fn.countAll<number>().as('count')).executeTakeFirstOrThrow();
  return count;
}

/** Rows of a part after an id, in the order of ids. Both tables name the tenant: a list of ids opens nothing. */
export const datasetPage = (
  db: Reader,
  ask: { tenant: string; id: string; part: DatasetPart; after: string; limit: number },
) =>
  db
    .selectFrom('arena_dataset_rows as frozen')
    .innerJoin('arena_triplets as pair', 'pair.id', 'frozen.triplet_id')
    .innerJoin('arena_datasets as version', 'version.id', 'frozen.dataset_id')
    .select(['pair.id', 'pair.tenant', 'pair.triplet'])
    .where('version.id', '=', ask.id)
    .where('version.tenant', '=', ask.tenant)
    .where('pair.tenant', '=', ask.tenant)
    .where('frozen.part', '=', ask.part)
    .where('frozen.triplet_id', '>', ask.after)
    .orderBy('frozen.triplet_id')
    .limit(ask.limit)
    .execute();

/** Versions that the log does not hold yet, oldest first. */
export const unloggedDatasets = (db: Reader, limit: number) =>
  db
    .selectFrom('arena_datasets')
    .select(['id', 'sha256', 'created_at'])
    .where('log_index', 'is', null)
    .where('state', '=', 'frozen')
    .orderBy('id')
    .limit(limit)
    .execute();

export const setLogIndex = (tx: Writer, id: string, index: number) =>
  tx
    .updateTable('arena_datasets')
    .set((row) => ({ log_index: index, revision: row('revision', '+', 1) }))
    .where('id', '=', id)
    .execute();
