/**
 * What ends soon (CA-12): a leaf at a quarter of its life, when nothing newer has taken its place; the CA's own keys at
 * 90, 30 and 7 days. One list for events, metric and doctor.
 */
import type { Reader } from '@labmesh/store/store';
import { sql } from 'kysely';
import type { CaKey } from './keys/ca-rows.ts';

export type ExpiryFinding = {
  subject: 'ca' | 'leaf';
  /** Row id of a CA key, serial of a leaf. */
  id: string;
  /** `root`, `intermediate`, `cross`, or the kind of a leaf. */
  kind: string;
  /** For people: name of a leaf. */
  name: string;
  /** Unix ms. */
  notAfter: number;
  /** Negative when it is over. */
  leftMs: number;
  /** CA keys: 90, 30 or 7; leaves 0. A finding is told again when this falls. */
  thresholdDays: number;
};

const day = 86_400_000;
const thresholds = [7, 30, 90];
/** Findings of leaves in one list. */
export const findingsMax = 500;
/** No leaf lives longer than this, so none further away is near its quarter. */
const leafLifeMaxMs = 31 * day;
/** People let theirs end; machines do not. */
const watchedKinds = ['agent', 'bastion', 'service', 'labd'];

/** CA keys in use that end within 90 days. */
export function caFindings(keys: readonly CaKey[], now: number): ExpiryFinding[] {
  return keys.flatMap(({ id, role, phase, notAfter, certificate }) => {
    if (certificate === undefined || (phase !== 'active' && phase !== 'next')) return [];
    const leftMs = notAfter - now;
    const thresholdDays = thresholds.find((days) => leftMs <= days * day);
    if (thresholdDays === undefined) return [];
    return [{ subject: 'ca' as const, id, kind: role, name: `CA ${role}`, notAfter, leftMs, thresholdDays }];
  });
}

/** Leaves of machines that are at their last quarter and were not renewed, soonest first, at most 500. */
export async function leafFindings(db: Reader, now: number): Promise<ExpiryFinding[]> {
  const rows = await db
    .selectFrom('certificates as c')
    .select(['c.id', 'c.kind', 'c.name', 'c.not_after'])
    .where('c.not_after', '>', now)
    .where('c.not_after', '<=', now + leafLifeMaxMs / 4)
    .where('c.kind', 'in', watchedKinds)
    .where('c.revoked_at', 'is', null)
    // (not_after - now) * 4 <= not_after - not_before
    .where(sql<boolean>`3 * c.not_after + c.not_before <= ${4 * now}`)
    .where((on) =>
      on.not(
        on.exists(
          on
            .selectFrom('certificates as newer')
            .select('newer.id')
            .whereRef('newer.subject_id', '=', 'c.subject_id')
            .whereRef('newer.kind', '=', 'c.kind')
            .whereRef('newer.not_after', '>', 'c.not_after')
            .where('newer.revoked_at', 'is', null),
        ),
      ),
    )
    .orderBy('c.not_after')
    .limit(findingsMax)
    .execute();
  return rows.map(({ id, kind, name, not_after }) => ({
    subject: 'leaf',
    id,
    kind,
    name,
    notAfter: not_after,
    leftMs: not_after - now,
    thresholdDays: 0,
  }));
}
