/** AR15: leaderboards at equal style. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { onBothEngines } from '../../../../../tests/harness/both-engines.ts';
import type { FinishedMatch, FinishedRun } from '../../contract/finished-run.ts';
import { leaderboard } from '../leaderboard.ts';
import { seededRandom } from '../seeded-random.ts';
import { styledLeaderboard } from './style-board.ts';
import { addStyledBattles, readStyledBattles, type StyledResult } from './styled-battles.ts';

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

function rows(name: string, openUrl: () => Promise<string>): void {
  describe(name, () => {
    let store: Store;
    beforeAll(async () => {
      store = await openStore({ url: await openUrl() });
    }, 60_000);
    afterAll(() => store?.[Symbol.asyncDispose]());
    const tester = system('style test');
    const board = { tenant: 'acme', bracket: 'none', task: 'any' };
    const read = (weight = 1, of = board) => store.read(tester, (db) => readStyledBattles(db, of, weight));

    test('matches of a run between different models, with counts of their answers and no word of them', async () => {
      const answers = ['secret word', '# secret\n- **word**', null, 'x'];
      const candidates = answers.map((content, index) => ({
        index,
        model: index === 3 ? 'small' : ['big', 'small'][index % 2],
        final: content === null ? null : { answer: { role: 'assistant', content: [{ type: 'text', text: content }] } },
      }));
      const match = (a: number, b: number, winner: FinishedMatch['winner']) => ({
        round: 0,
        scoreA: 0,
        scoreB: 0,
        a,
        b,
        winner,
      });
      const matches = [match(0, 1, 'b'), match(0, 2, 'a'), match(1, 2, 'tie'), match(1, 3, 'a'), match(0, 3, 'void')];
      const run = { candidates, tournament: { matches } } as unknown as FinishedRun;
      await store.write(tester, (tx) => addStyledBattles(tx, board, run));
      await store.write(tester, (tx) => addStyledBattles(tx, board, { candidates: [], tournament: null }));
      const found = await read();
      expect(found.toReversed()).toEqual([
        {
          playerA: 'big',
          playerB: 'small',
          winner: 'b',
          styles: [
            [11, 0, 0, 0],
            [19, 1, 1, 1],
          ],
        },
        {
          playerA: 'small',
          playerB: 'big',
          winner: 'tie',
          styles: [
            [19, 1, 1, 1],
            [0, 0, 0, 0],
          ],
        },
      ]);
      const rows = await store.read(tester, (db) => db.selectFrom('arena_styled_battles').selectAll().execute());
      expect(JSON.stringify(rows)).not.toContain('secret');
      expect(await read(1, { ...board, tenant: 'other' })).toEqual([]);
    });

    test('votes with known style, unless they count nothing', async () => {
      const vote = (reviewer: string, more: object) => ({
        id: uuidv7(),
        created_at: 1,
        run_id: 'r',
        a: 0,
        b: 1,
        reviewer,
        winner: 'tie',
        words: '{}',
        confidence_ppm: 1e6,
        ...board,
        player_a: 'big',
        player_b: 'small',
        style: '[[1,0,0,0],[2,0,0,0]]',
        ...more,
      });
      const votes = [vote('one', {}), vote('two', { style: null }), vote('three', { confidence_ppm: 0 })];
      await store.write(tester, (tx) => tx.insertInto('arena_labels').values(votes).execute());
      const own = (await read(0.5)).filter(({ voteWeight }) => voteWeight !== undefined);
      expect(own).toMatchObject([
        {
          playerA: 'big',
          winner: 'tie',
          styles: [
            [1, 0, 0, 0],
            [2, 0, 0, 0],
          ],
          voteWeight: 0.5,
        },
      ]);
      expect((await read(0)).some(({ voteWeight }) => voteWeight !== undefined)).toBe(false);
    });
  });
}

onBothEngines(rows);
