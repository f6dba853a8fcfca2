/**
 * What people say of answers, as battles of their models (AR17). Nothing of it is kept in sums: a word that is changed or
 * forgotten counts as the rows are now, and none twice.
 */
import type { Reader } from '@labmesh/store/store';
import { type BattleCount, battleOf, type Board, pairsMost, summed } from './battle-counts.ts';

/** Of a pair: two orders of its names, three outcomes. */
const groupsMost = 6 * pairsMost;
const winners = { a: 'one', b: 'other', tie: 'tie' } as const;

/**
 * Votes of one board: one a reviewer and pair of answers, whatever its confidence, save 0, which is no word at all. Of two
 * answers of one model they say nothing about models.
 * @param weight `arena.human_weight`; at 0 there are none
 * @throws RangeError past the pairs of a board
 */
export async function readVotes(db: Reader, board: Board, weight: number): Promise<BattleCount[]> {
  if (weight === 0) return [];
  const rows = await db
    .selectFrom('arena_labels')
    .where('tenant', '=', board.tenant)
    .where('bracket', '=', board.bracket)
    .where('task', '=', board.task)
    .where('confidence_ppm', '>', 0)
    .whereRef('player_a', '<>', 'player_b')
    .groupBy(['player_a', 'player_b', 'winner'])
    .select((row) => ['player_a', 'player_b', 'winner', row.fn.countAll<number>().as('count')])
    .orderBy('player_a')
    .orderBy('player_b')
    .orderBy('winner')
    .limit(groupsMost + 1)
    .execute();
  if (rows.length > groupsMost) throw new RangeError(`votes on over ${pairsMost} pairs on one leaderboard`);
  const votes = rows.flatMap(({ player_a, player_b, winner, count }) => {
    const side = winners[winner as keyof typeof winners];
    return battleOf(player_a ?? '', player_b ?? '', side, count) ?? [];
  });
  return summed(votes).map((pair) => ({ ...pair, voteWeight: weight }));
}
