/** Rows of a comparison's pairs as people's votes are now: the gold one, and what the arena made by itself. */
import type { Writer } from '@labmesh/store/store';
import { keepPairs } from '../flywheel/harvest.ts';
import { insertTriplets } from '../triplet-rows.ts';
import type { GoldPair, Reviewed } from './gold-pair.ts';
import { goldIds } from './gold-ids.ts';

const setStatus = (tx: Writer, tenant: string, ids: readonly string[], status: 'active' | 'archived') =>
  tx.updateTable('arena_triplets').set({ status }).where('tenant', '=', tenant).where('id', 'in', ids).execute();

/** Sums of 100,000 of them are exact. */
const revisionsMost = 1e9;

/**
 * Pairs of people that no version holds are made anew; frozen ones stay, and are active while they are what people say.
 * The arena's own are archived as long as there is a gold one. `now`: Unix ms, so that a version that is being chosen sees
 * that a pair was made anew.
 */
export async function placeGold(
  tx: Writer,
  reviewed: Reviewed,
  { pair, own, others }: GoldPair,
  now: number,
): Promise<void> {
  const { tenant, id } = reviewed.run;
  // The run's end may have failed to make them, and nobody looks at a run that has pairs.
  await keepPairs(tx, id, own);
  const both = goldIds(reviewed);
  if (both.length > 0) {
    await tx
      .deleteFrom('arena_triplets')
      .where('tenant', '=', tenant)
      .where('id', 'in', both)
      .where('stage', '=', 'pending')
      .execute();
    await setStatus(tx, tenant, both, 'archived');
  }
  if (pair !== null) {
    await insertTriplets(tx, [pair], now % revisionsMost);
    await setStatus(tx, tenant, [pair.triplet.id], 'active');
  }
  if (others.length > 0) await setStatus(tx, tenant, others, pair === null ? 'active' : 'archived');
}
