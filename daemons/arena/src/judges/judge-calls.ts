/** How judges did in a tenant's matches (verification AR14), from the rows of their calls. */
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { JudgesView } from '@labmesh/wire/verification/judge-views';
import type { FinishedLeg } from '../contract/finished-run.ts';
import { positionBias, positionsOf } from './position-bias.ts';

const who = system('arena-judges');
/** The newest: a bias of last year's model is none of today's, and a page must not read them all. */
const callsMost = 20_000;

type Call = Pick<FinishedLeg, 'leg' | 'scoreA' | 'scoreB'>;

const scoresOf = (result: string | null): Omit<Call, 'leg'> => {
  const { scoreA = null, scoreB = null } =
    result === null ? {} : (JSON.parse(result) as { scoreA?: number | null; scoreB?: number | null });
  return { scoreA, scoreB };
};

export async function judgeCalls(store: Store, tenant: string): Promise<JudgesView['judges']> {
  const rows = await store.read(who, (db) =>
    db
      .selectFrom('arena_matches')
      .innerJoin('arena_runs', 'arena_runs.id', 'arena_matches.run_id')
      .select(['arena_matches.judge', 'arena_matches.leg', 'arena_matches.result'])
      .where('arena_runs.tenant', '=', tenant)
      .orderBy('arena_matches.id', 'desc')
      .limit(callsMost)
      .execute(),
  );
  const calls = Map.groupBy(rows, ({ judge }) => judge);
  return [...calls].map(([judge, own]) => {
    const legs = own.map(({ leg, result }): Call => ({ leg: leg as Call['leg'], ...scoresOf(result) }));
    const voided = legs.filter(({ scoreA, scoreB }) => scoreA === null || scoreB === null).length;
    return { judge, calls: legs.length, voided, position: positionBias(positionsOf(legs)) };
  });
}
