/**
 * How far pairs and versions came (PD6), as columns beside what was frozen, which never changes:
 *
 *     pending ──frozen──▶ processed ──exported──▶ exported ──▶ training ──▶ completed | failed ──▶ training …
 *        ▲                    │ its version was tainted before it left
 *        └────────────────────┘
 *
 * What a trainer says of a version is taken from whoever runs it: the arena starts no training.
 */
import type { Writer } from '@labmesh/store/store';
import type { Dataset, StageDataset } from '@labmesh/wire/verification/datasets';
import type { TripletStage } from '@labmesh/wire/verification/preference';
import { PairsError } from './pairs-error.ts';

/** Pairs of a version that are at one of the stages `from`. */
const movePairs = (tx: Writer, tenant: string, id: string, from: readonly TripletStage[], to: TripletStage) =>
  tx
    .updateTable('arena_triplets')
    .set({ stage: to })
    .where('tenant', '=', tenant)
    .where('stage', 'in', from)
    .where('id', 'in', tx.selectFrom('arena_dataset_rows').select('triplet_id').where('dataset_id', '=', id))
    .execute();

/** Whether the version was at one of the stages, and is at another now. */
async function moveDataset(
  tx: Writer,
  tenant: string,
  id: string,
  from: readonly Dataset['stage'][],
  to: TripletStage,
) {
  const moved = await tx
    .updateTable('arena_datasets')
    .set((row) => ({ stage: to, revision: row('revision', '+', 1) }))
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .where('stage', 'in', from)
    .returning('id')
    .executeTakeFirst();
  return moved !== undefined;
}

/** The pairs of a version that was just written. */
export const freezePairs = (tx: Writer, tenant: string, id: string) =>
  movePairs(tx, tenant, id, ['pending'], 'processed');

/** An export went out whole. One that was trained on before stays where it is. */
export async function exportPairs(tx: Writer, tenant: string, id: string): Promise<void> {
  if (!(await moveDataset(tx, tenant, id, ['processed'], 'exported'))) return;
  await movePairs(tx, tenant, id, ['pending', 'processed'], 'exported');
}

const before: Readonly<Record<StageDataset['stage'], readonly Dataset['stage'][]>> = {
  training: ['exported', 'training', 'completed', 'failed'],
  completed: ['training', 'completed'],
  failed: ['training', 'failed'],
};

/** @throws PairsError DATASET_STAGE: nothing is trained on that was not exported, nothing ends that did not begin */
export async function trainPairs(tx: Writer, tenant: string, id: string, { stage }: StageDataset): Promise<void> {
  const from = before[stage];
  if (!(await moveDataset(tx, tenant, id, from, stage))) {
    throw new PairsError('DATASET_STAGE', `a version becomes ${stage} after ${from.join(', ')} only`, 'stage');
  }
  const reached: readonly TripletStage[] =
    stage === 'training' ? ['pending', 'processed', 'exported', 'completed', 'failed'] : ['training'];
  await movePairs(tx, tenant, id, reached, stage);
}

/** Pairs of a tainted version that no version in force holds wait again. */
export async function freePairs(tx: Writer, tenant: string, id: string): Promise<void> {
  const frozen = tx
    .selectFrom('arena_dataset_rows as row')
    .innerJoin('arena_datasets as version', 'version.id', 'row.dataset_id')
    .select('row.triplet_id')
    .where('version.state', '=', 'frozen')
    .where('version.tenant', '=', tenant);
  await tx
    .updateTable('arena_triplets')
    .set({ stage: 'pending' })
    .where('tenant', '=', tenant)
    .where('stage', '=', 'processed')
    .where('id', 'in', tx.selectFrom('arena_dataset_rows').select('triplet_id').where('dataset_id', '=', id))
    .where('id', 'not in', frozen)
    .execute();
}
