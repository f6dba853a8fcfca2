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
};

export type Leaderboard =
  | { state: 'few'; battles: number; wanted: number }
  | {
      state: 'ranked';
      battles: number;
      /** Of the resamples. */
      seed: number;
      resamples: number;
      /** Best first. */
      rows: LeaderboardRow[];
      /** Fewest battles found whose removal changes the first place; null = none. */
      leverage: { battles: number | null; of: number; overtaker: string | null } | null;
    };

/** Boards that are kept, and of each the counts that it came from: a fit of 200 players with its resamples takes seconds. */
const keptMost = 64;

/**
 * Remembers boards by `name` for as long as their counts are the same.
 * @returns as `leaderboard`; rejects as it does
 */
export function keptLeaderboards(): (
  name: string,
  counts: readonly BattleCount[],
  seed: number,
) => Promise<Leaderboard> {
  const kept = new Map<string, { from: string; board: Promise<Leaderboard> }>();
  return (name, counts, seed) => {
    const from = JSON.stringify([seed, counts]);
    const known = kept.get(name);
    const board = known?.from === from ? known.board : leaderboard(counts, seed);
    // What is looked at goes last; what nobody looked at for long is let go.
    kept.delete(name);
    kept.set(name, { from, board });
    for (const oldest of kept.keys()) {
      if (kept.size <= keptMost) break;
      kept.delete(oldest);
    }
    // What failed is tried anew.
    board.catch(() => {
      if (kept.get(name)?.board === board) kept.delete(name);
    });
    return board;
  };
}

const display = (logit: number) => 1000 + (400 * logit) / Math.LN10;

/** The ratings of a board. @throws RangeError past 200 players */
export async function leaderboard(counts: readonly BattleCount[], seed: number): Promise<Leaderboard> {
  const players = [...new Set(counts.flatMap(({ playerA, playerB }) => [playerA, playerB]))].toSorted();
  if (players.length > playersMost) throw new RangeError(`over ${playersMost} players on one leaderboard`);
  const numbers = new Map(players.map((player, number) => [player, number]));
  const battles = counts.map(({ playerA, playerB, ...sums }): Battle => {
    return { a: numbers.get(playerA) ?? 0, b: numbers.get(playerB) ?? 0, ...sums };
  });
  const of = battles.reduce((sum, { winsA, winsB, ties }) => sum + winsA + winsB + ties, 0);
  if (of < battlesLeast) return { state: 'few', battles: of, wanted: battlesLeast };
  const intervals = await ratingIntervals(players.length, battles, seed);
  const rows = players.map((player, number) => rowOf(player, number, intervals, battles));
  const held = leverage(players.length, battles);
  return {
    state: 'ranked',
    battles: of,
    seed,
    resamples,
    rows: rows.toSorted((one, other) => other.rating - one.rating || (one.player < other.player ? -1 : 1)),
    leverage: held && {
      battles: held.battles,
      of: held.of,
      overtaker: held.overtaker === null ? null : (players[held.overtaker] ?? null),
    },
  };
}

function rowOf(
  player: string,
  number: number,
  intervals: readonly Interval[],
  battles: readonly Battle[],
): LeaderboardRow {
  const own = intervals[number] ?? { logit: 0, low: 0, high: 0 };
  const games = battles
    .filter(({ a, b }) => a === number || b === number)
    .reduce((sum, { winsA, winsB, ties }) => sum + winsA + winsB + ties, 0);
  return {
    player,
    rating: display(own.logit),
    low: display(own.low),
    high: display(own.high),
    rank: 1 + intervals.filter(({ low }) => low > own.high).length,
    battles: games,
  };
}
