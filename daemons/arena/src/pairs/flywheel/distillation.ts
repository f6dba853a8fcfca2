/** Figures of a tenant's preference data, counted where it lies; a snapshot of one transaction. */
import type { Reader } from '@labmesh/store/store';
import { batchStates, datasetStages } from '@labmesh/wire/verification/datasets';
import type { Distillation } from '@labmesh/wire/verification/distillation';
import { listDatasets } from '../dataset-rows.ts';
import { openBatch } from './batch-rows.ts';

type Counted = readonly { name: string; count: number }[];

/** Each name with its count; what this version does not know is in no list. */
function tally<N extends string>(names: readonly N[], counted: Counted): Record<N, number> {
  const sums = new Map(counted.map(({ name, count }) => [name, count]));
  return Object.fromEntries(names.map((name) => [name, sums.get(name) ?? 0])) as Record<N, number>;
}

async function versions(db: Reader, tenant: string): Promise<Distillation['versions']> {
  const counted = await db
    .selectFrom('arena_datasets')
    .where('tenant', '=', tenant)
    .groupBy(['state', 'stage'])
    .select((row) => ['state', 'stage', row.fn.countAll<number>().as('count')])
    .execute();
  const whole = counted.filter(({ state }) => state === 'frozen');
  const sum = (rows: readonly { count: number }[]) => rows.reduce((all, { count }) => all + count, 0);
  const [newest = null] = (await listDatasets(db, tenant, { limit: 1 })).items;
  const stages = tally(
    datasetStages,
    whole.map(({ stage, count }) => ({ name: stage, count })),
  );
  return { total: sum(counted), tainted: sum(counted) - sum(whole), stages, newest };
}

async function batches(db: Reader, tenant: string): Promise<Distillation['batches']> {
  const counted = await db
    .selectFrom('arena_batches')
    .where('tenant', '=', tenant)
    .groupBy('state')
    .select((row) => ['state as name', row.fn.countAll<number>().as('count')])
    .execute();
  return { states: tally(batchStates, counted), open: (await openBatch(db, tenant)) ?? null };
}

async function labels(db: Reader, tenant: string): Promise<Distillation['labels']> {
  return await db
    .selectFrom('arena_labels')
    .where('tenant', '=', tenant)
    .select((row) => [
      row.fn.countAll<number>().as('total'),
      row.fn.count<number>('reviewer').distinct().as('reviewers'),
    ])
    .executeTakeFirstOrThrow();
}

/** All but the pairs themselves. @param now wall clock, ms */
export async function distillationOf(db: Reader, tenant: string, now: number): Promise<Omit<Distillation, 'pairs'>> {
  return {
    versions: await versions(db, tenant),
    batches: await batches(db, tenant),
    labels: await labels(db, tenant),
    updatedAt: new Date(now).toISOString(),
  };
}
