/** A leaderboard at equal style (AR15): what length and markdown explain is taken from nobody's strength. */
import { type BattleCount, battleOf, summed } from '../battle-counts.ts';
import { battlesLeast, type Leaderboard, playersOf, rankedRows } from '../leaderboard.ts';
import { resamples } from '../rating-intervals.ts';
import { styledIntervals, type StyledFit } from './style-control.ts';
import type { StyledResult } from './styled-battles.ts';

/** `coefficients`: logits per standard deviation of the difference. */
export type StyledLeaderboard =
  | Extract<Leaderboard, { state: 'few' }>
  | (Omit<Extract<Leaderboard, { state: 'ranked' }>, 'leverage'> & Pick<StyledFit, 'coefficients'>);

const sides = { a: 'one', b: 'other', tie: 'tie' } as const;
const scores = { a: 1, b: 0, tie: 0.5 } as const;

/** Matches and votes apart, as sums: they are counted, the fit is over the battles themselves. */
function countsOf(battles: readonly StyledResult[]): BattleCount[] {
  const of = (some: readonly StyledResult[]) =>
    summed(some.flatMap(({ playerA, playerB, winner }) => battleOf(playerA, playerB, sides[winner]) ?? []));
  const votes = battles.filter(({ voteWeight }) => voteWeight !== undefined);
  const matches = battles.filter(({ voteWeight }) => voteWeight === undefined);
  return [...of(matches), ...of(votes).map((one) => ({ ...one, voteWeight: votes[0]?.voteWeight ?? 1 }))];
}

/** @throws RangeError past 200 players */
export async function styledLeaderboard(battles: readonly StyledResult[], seed: number): Promise<StyledLeaderboard> {
  const players = playersOf(battles);
  const counts = countsOf(battles);
  const votes = battles.filter(({ voteWeight }) => voteWeight !== undefined).length;
  const all = { battles: battles.length, votes };
  if (all.battles < battlesLeast) return { state: 'few', ...all, wanted: battlesLeast };
  const numbers = new Map(players.map((player, number) => [player, number]));
  const { intervals, coefficients } = await styledIntervals(
    players.length,
    battles.map(({ playerA, playerB, winner, styles: [styleA, styleB], voteWeight: weight = 1 }) => {
      const [a, b] = [numbers.get(playerA) ?? 0, numbers.get(playerB) ?? 0];
      return { a, b, score: scores[winner], styleA, styleB, weight };
    }),
    seed,
  );
  return { state: 'ranked', ...all, seed, resamples, rows: rankedRows(players, counts, intervals), coefficients };
}
