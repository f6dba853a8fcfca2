/** Rows of judges' calls: one a leg, written before the next call is made (AR16). */
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import type { FinishedLeg } from '../contract/finished-run.ts';

/** `a` and `b` are indices of candidates; scores are those of a and of b in both legs. A void call may have cost too. */
export type StoredLeg = FinishedLeg & { tokensIn: number; tokensOut: number; costNano: number };

type Result = Omit<StoredLeg, 'round' | 'a' | 'b' | 'leg' | 'judge'>;

const unplayed: Result = { scoreA: null, scoreB: null, rationale: null, tokensIn: 0, tokensOut: 0, costNano: 0 };

/** Adds a leg; one that is there already stays as it is. */
export async function addLeg(tx: Writer, runId: string, played: StoredLeg): Promise<void> {
  const { round, a, b, leg, judge, ...result } = played;
  const place = { run_id: runId, round, a, b, leg };
  await tx
    .insertInto('arena_matches')
    .values({
      id: uuidv7(),
      created_at: Date.now(),
      ...place,
      judge,
      result: JSON.stringify(result satisfies Result),
    })
    .onConflict((on) => on.columns(['run_id', 'round', 'a', 'b', 'leg']).doNothing())
    .execute();
}

/** Legs of a run in the order they were played. */
export async function readLegs(db: Reader, runId: string): Promise<StoredLeg[]> {
  const rows = await db.selectFrom('arena_matches').selectAll().where('run_id', '=', runId).orderBy('id').execute();
  return rows.map(({ round, a, b, leg, judge, result }) => ({
    ...(result === null ? unplayed : (JSON.parse(result) as Result)),
    round,
    a,
    b,
    leg: leg as 'ab' | 'ba',
    judge,
  }));
}
