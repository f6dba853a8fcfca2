/** AR15: leaderboards at equal style. */
import { describe, expect, test } from 'bun:test';
import { leaderboard } from '../leaderboard.ts';
import { seededRandom } from '../seeded-random.ts';
import { styledLeaderboard } from './style-board.ts';
import type { StyledResult } from './styled-battles.ts';

/** Two models of one strength; `wordy` writes long, and the judge likes that. */
function wordyWins(count: number, voteWeight?: number): StyledResult[] {
  const random = seededRandom(3);
  return Array.from({ length: count }, (_, at) => {
    const [long, short] = [600 + Math.floor(600 * random()), 200 + Math.floor(600 * random())];
    const more = (long - short) / (long + short);
    const won = random() < 1 / (1 + Math.exp(-3 * more));
    const vote = voteWeight === undefined ? {} : { voteWeight };
    const styles = [
      [long, 2, 0, 0],
      [short, 2, 0, 0],
    ] as const;
    return at % 2 === 0
      ? { playerA: 'wordy', playerB: 'brief', winner: won ? 'a' : 'b', styles, ...vote }
      : { playerA: 'brief', playerB: 'wordy', winner: won ? 'b' : 'a', styles: [styles[1], styles[0]], ...vote };
  });
}

const ratingOf = (rows: readonly { player: string; rating: number }[], name: string) =>
  rows.find(({ player }) => player === name)?.rating ?? 0;

describe('board', () => {
  test('length leads without control, and not with it; intervals hold, and the seed gives the same', async () => {
    const battles = wordyWins(600);
    const wins = battles.filter(({ winner, playerA }) => (winner === 'a') === (playerA === 'wordy')).length;
    const sums = { playerA: 'brief', playerB: 'wordy', winsA: battles.length - wins, winsB: wins, ties: 0 };
    const plain = await leaderboard([sums], 42);
    const styled = await styledLeaderboard(battles, 42);
    if (plain.state !== 'ranked' || styled.state !== 'ranked') throw new Error('few');
    expect(plain.rows.map(({ rank }) => rank)).toEqual([1, 2]);
    expect(styled.rows.map(({ rank }) => rank)).toEqual([1, 1]);
    expect(ratingOf(plain.rows, 'wordy') - ratingOf(plain.rows, 'brief')).toBeGreaterThan(80);
    expect(Math.abs(ratingOf(styled.rows, 'wordy') - ratingOf(styled.rows, 'brief'))).toBeLessThan(80);
    expect(styled.coefficients).toMatchObject({ headings: 0, lists: 0, bold: 0 });
    expect(styled.coefficients.length).toBeGreaterThan(0.3);
    expect(styled).toMatchObject({ battles: 600, votes: 0, seed: 42, resamples: 1000 });
    for (const { rating, low, high } of styled.rows) expect(rating).toBeWithin(low, high);
    expect(await styledLeaderboard(battles, 42)).toEqual(styled);
  });

  test('fewer than 30 say nothing; votes are counted apart and weigh what they weigh', async () => {
    expect(await styledLeaderboard(wordyWins(29), 1)).toEqual({ state: 'few', battles: 29, votes: 0, wanted: 30 });
    expect(await styledLeaderboard([], 1)).toMatchObject({ state: 'few', battles: 0 });
    const against = wordyWins(40, 1000).map((one) => ({ ...one, winner: one.winner === 'a' ? 'b' : 'a' }) as const);
    const board = await styledLeaderboard([...wordyWins(40), ...against], 1);
    if (board.state !== 'ranked') throw new Error(board.state);
    expect(board).toMatchObject({ battles: 80, votes: 40 });
    expect(board.rows[0]).toMatchObject({ battles: 80, votes: 40 });
    // Heavy votes against length: what style is worth turns.
    expect(board.coefficients.length).toBeLessThan(0);
  });
});
