/** A board as it is asked for: read, then ranked, plain or at equal style. What was ranked is kept while its battles are the same. */
import type { Reader } from '@labmesh/store/store';
import { type BattleCount, type Board, readBattles } from './battle-counts.ts';
import { Fits, keptLeaderboards } from './kept-leaderboards.ts';
import { type Leaderboard, leaderboard } from './leaderboard.ts';
import { type StyledLeaderboard, styledLeaderboard } from './style/style-board.ts';
import { readStyledBattles, type StyledResult } from './style/styled-battles.ts';
import { readVotes } from './votes.ts';

/** Recorded beside the ratings: the same counts give the same intervals. */
const seed = 42;

type Read = { counts: BattleCount[]; styled: StyledResult[] | undefined };
export type BoardReading = {
  board: Leaderboard | StyledLeaderboard;
  /** Of a board at equal style: battles in all, with those whose style nobody knows; null without a fit. */
  style?: { of: number; coefficients: Record<string, number> | null };
};

/** @param voteWeight 0: votes do not count */
export function boardReader(voteWeight: number) {
  const fits = new Fits();
  const plain = keptLeaderboards<BattleCount, Leaderboard>(leaderboard, fits);
  const atEqualStyle = keptLeaderboards<StyledResult, StyledLeaderboard>(styledLeaderboard, fits);
  return {
    /** In one snapshot. @throws RangeError past the pairs of a board */
    async battles(db: Reader, board: Board, styled: boolean): Promise<Read> {
      const counts = [...(await readBattles(db, board)), ...(await readVotes(db, board, voteWeight))];
      return { counts, styled: styled ? await readStyledBattles(db, board, voteWeight) : undefined };
    },

    /** @throws RangeError past 200 players; BoundPassed when too many boards wait for their fit */
    async rank(board: Board, { counts, styled }: Read): Promise<BoardReading> {
      const name = JSON.stringify(board);
      if (styled === undefined) return { board: await plain(name, counts, seed) };
      const found = await atEqualStyle(name, styled, seed);
      const of = counts.reduce((sum, { winsA, winsB, ties }) => sum + winsA + winsB + ties, 0);
      return { board: found, style: { of, coefficients: found.state === 'few' ? null : found.coefficients } };
    },
  };
}
