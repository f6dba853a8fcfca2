import type { BattleCount } from './battle-counts.ts';
import type { Battle } from './bradley-terry.ts';
import { leverage } from './leverage.ts';
import { type Interval, ratingIntervals, resamples } from './rating-intervals.ts';

/** Fewer say nothing (AR17). */
export const battlesLeast = 30;
/** Players of one board: beyond, a fit would hold up the process. */
export const playersMost = 200;

export type LeaderboardRow = {
  player: string;
  /** 1000 + 400 log10 of the strength; 1000 is the middle of the board. */
  rating: number;
  /** 95 %. */
  low: number;
  high: number;
  /** 1 + players whose lower bound exceeds this one's upper: who cannot be told apart shares. */
  rank: number;
  battles: number;
  /** Of these, votes of people. */
  votes: number;
};

/** `battles` are counted, never weighed, and hold the votes. */
export type Leaderboard =
  | { state: 'few'; battles: number; votes: number; wanted: number }
  | {
      state: 'ranked';
      battles: number;
      votes: number;
      /** Of the resamples. */
      seed: number;
      resamples: number;
      /** Best first. */
      rows: LeaderboardRow[];
      /** Fewest battles found whose removal changes the first place; null = none. */
      leverage: { battles: number | null; of: number; overtaker: string | null } | null;
    };

const display = (logit: number) => 1000 + (400 * logit) / Math.LN10;

/** Names in order: a player's number is its place. @throws RangeError past 200 */
export function playersOf(battles: readonly Pick<BattleCount, 'playerA' | 'playerB'>[]): string[] {
  const players = [...new Set(battles.flatMap(({ playerA, playerB }) => [playerA, playerB]))].toSorted();
  if (players.length > playersMost) throw new RangeError(`over ${playersMost} players on one leaderboard`);
  return players;
}

const played = (counts: readonly BattleCount[]) =>
  counts.reduce((sum, { winsA, winsB, ties }) => sum + winsA + winsB + ties, 0);

/** How many battles, and how many of them votes. */
const tally = (counts: readonly BattleCount[]) => ({
  battles: played(counts),
  votes: played(counts.filter(({ voteWeight }) => voteWeight !== undefined)),
});

/** The ratings of a board. @throws RangeError past 200 players */
export async function leaderboard(counts: readonly BattleCount[], seed: number): Promise<Leaderboard> {
  const players = playersOf(counts);
  const all = tally(counts);
  if (all.battles < battlesLeast) return { state: 'few', ...all, wanted: battlesLeast };
  const numbers = new Map(players.map((player, number) => [player, number]));
  const battles = counts.map(({ playerA, playerB, voteWeight: weight = 1, ...sums }): Battle => {
    return { a: numbers.get(playerA) ?? 0, b: numbers.get(playerB) ?? 0, ...sums, weight };
  });
  const held = leverage(players.length, battles);
  return {
    state: 'ranked',
    ...all,
    seed,
    resamples,
    rows: rankedRows(players, counts, await ratingIntervals(players.length, battles, seed)),
    leverage: held && {
      battles: held.battles,
      of: held.of,
      overtaker: held.overtaker === null ? null : (players[held.overtaker] ?? null),
    },
  };
}

/** Best first. @param intervals by number of the player */
export function rankedRows(
  players: readonly string[],
  counts: readonly BattleCount[],
  intervals: readonly Interval[],
): LeaderboardRow[] {
  const rows = players.map((player, number): LeaderboardRow => {
    const own = intervals[number] ?? { logit: 0, low: 0, high: 0 };
    return {
      player,
      rating: display(own.logit),
      low: display(own.low),
      high: display(own.high),
      rank: 1 + intervals.filter(({ low }) => low > own.high).length,
      ...tally(counts.filter(({ playerA, playerB }) => playerA === player || playerB === player)),
    };
  });
  return rows.toSorted((one, other) => other.rating - one.rating || (one.player < other.player ? -1 : 1));
}
