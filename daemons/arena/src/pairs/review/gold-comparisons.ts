import type { Reader } from '@labmesh/store/store';
import { tuningLimits } from '@labmesh/wire/verification/judge-views';
import { goldComparison, type GoldComparison } from '../../judges/tune/gold-comparison.ts';
import { readTriplet } from '../triplet-rows.ts';

/**
 * Gold pairs of a tenant as comparisons, at most as many as a tuning takes; those that people changed their minds about are
 * archived, and left out. In the order of ids, which are digests: a bounded list is a draw from all, and always the same.
 */
export async function goldComparisons(db: Reader, tenant: string): Promise<GoldComparison[]> {
  const rows = await db
    .selectFrom('arena_triplets')
    .select(['id', 'tenant', 'triplet'])
    .where('tenant', '=', tenant)
    .where('quality', '=', 'gold')
    .where('status', '=', 'active')
    .orderBy('id')
    .limit(tuningLimits.goldMost)
    .execute();
  return rows.flatMap((row) => {
    const triplet = readTriplet(row);
    return (triplet && goldComparison(triplet)) ?? [];
  });
}
