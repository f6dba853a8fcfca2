import { thrower } from '@labmesh/wire/testing/errors';
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { addBattles, type BattleCount, battleOf, battlesOfRun, type Board, readBattles } from './battle-counts.ts';
import { keptLeaderboards } from './kept-leaderboards.ts';
import { leaderboard } from './leaderboard.ts';
import { evenLogits, madeBattles } from './testing/made-battles.ts';

const names = ['a/strong', 'b', 'c', 'd/weak'];
const counts = (logits: readonly number[], total: number): BattleCount[] =>
  madeBattles(logits, total, 5).map(({ a, b, ...sums }) => {
    return { playerA: names[a] ?? '', playerB: names[b] ?? '', ...sums };
  });

describe('boards that are kept', () => {
  const even = counts([1, 0], 60);

  test('are the same while their counts are, and made anew when one was added', async () => {
    const boards = keptLeaderboards(leaderboard);
    const first = await boards('a', even, 1);
    expect(first).toEqual(await leaderboard(even, 1));
    expect(await boards('a', structuredClone(even), 1)).toBe(first);
    expect(await boards('b', even, 1)).not.toBe(first);
    const more = even.map((one) => ({ ...one, ties: one.ties + 1 }));
    expect(await boards('a', more, 1)).toEqual(await leaderboard(more, 1));
    expect(await boards('a', even, 2)).toMatchObject({ seed: 2 });
  });

  test('are fitted once at a time, two in all, in turn; what waits is bounded', async () => {
    const ends: (() => void)[] = [];
    const begun: number[] = [];
    const make = (battles: readonly number[]) => {
      begun.push(...battles);
      return new Promise<number>((resolve) => ends.push(() => resolve(battles[0] ?? 0)));
    };
    const boards = keptLeaderboards(make);
    const first = boards('a', [1], 1);
    // Battles were added meanwhile: what runs is what there is.
    expect([boards('a', [2], 1), boards('a', [3], 1)]).toEqual([first, first]);
    const others = [boards('b', [4], 1), boards('c', [5], 1)];
    await Promise.resolve();
    expect(begun).toEqual([1, 4]);
    ends.shift()?.();
    expect(await first).toBe(1);
    while (begun.length < 3) await Bun.sleep(1);
    expect(begun).toEqual([1, 4, 5]);
    for (const end of ends) end();
    expect(await Promise.all(others)).toEqual([4, 5]);
    const again = boards('a', [3], 1);
    expect(again).not.toBe(first);
    while (begun.length < 4) await Bun.sleep(1);
    ends.at(-1)?.();
    expect(await again).toBe(3);
    const many = Array.from({ length: 131 }, (_, at) => boards(`many ${at}`, [at], 1));
    expect(await thrower(many.at(-1) ?? Promise.resolve())).toThrow(BoundPassed);
  });

  test('are bounded, and a failure is not kept', async () => {
    const boards = keptLeaderboards(leaderboard);
    const first = await boards('board 0', even, 1);
    for (let at = 1; at <= 64; at++) await boards(`board ${at}`, even, 1);
    expect(await boards('board 0', even, 1)).not.toBe(first);
    const many = evenLogits(201, 1).map((_, at) => ({ playerA: 'a', playerB: `p${at}`, winsA: 1, winsB: 0, ties: 0 }));
    for (const _ of [1, 2]) expect(await thrower(boards('large', many, 1))).toThrow(RangeError);
  });
});

describe('leaderboard', () => {
  test('ratings in Elo units around 1000, with intervals, ranks and the seed', async () => {
    const board = await leaderboard(counts([1.5, 0, 0, -1.5], 6000), 99);
    if (board.state !== 'ranked') throw new Error(board.state);
    expect(board).toMatchObject({ battles: 6000, seed: 99, resamples: 1000 });
    const [first, , , last] = board.rows;
    expect([first?.player, last?.player]).toEqual(['a/strong', 'd/weak']);
    expect(first?.rating).toBeWithin(1240, 1280);
    expect(board.rows.reduce((sum, { rating }) => sum + rating, 0) / 4).toBeCloseTo(1000, 6);
    // Who cannot be told apart shares a rank, and the next stands behind all that are surely better.
    expect(board.rows.map(({ rank }) => rank)).toEqual([1, 2, 2, 4]);
    for (const { rating, low, high, battles } of board.rows) {
      expect(rating).toBeWithin(low, high);
      expect(battles).toBe(3000);
    }
    expect(board.leverage?.of).toBe(6000);
    expect(board.leverage?.battles).toBeGreaterThan(100);
    expect(names).toContain(board.leverage?.overtaker ?? '');
    expect(await leaderboard(counts([1.5, 0, 0, -1.5], 6000), 99)).toEqual(board);
  });

  test('under 30 battles there is none', async () => {
    const few = battleOf('a', 'b', 'one', 29);
    expect(await leaderboard(few === null ? [] : [few], 1)).toEqual({
      state: 'few',
      battles: 29,
      votes: 0,
      wanted: 30,
    });
    expect(await leaderboard([], 1)).toEqual({ state: 'few', battles: 0, votes: 0, wanted: 30 });
    expect((await leaderboard([{ playerA: 'a', playerB: 'b', winsA: 10, winsB: 10, ties: 10 }], 1)).state).toBe(
      'ranked',
    );
  });

  test('players are bounded', async () => {
    const many = evenLogits(201, 1).map((_, at) => ({ playerA: 'a', playerB: `p${at}`, winsA: 1, winsB: 0, ties: 0 }));
    expect(await thrower(leaderboard(many, 1))).toThrow(RangeError);
  });
});

describe('counts', () => {
  let store: Store;
  beforeAll(async () => {
    store = await openStore({ url: 'sqlite::memory:' });
  });
  afterAll(() => store[Symbol.asyncDispose]());
  const principal = system('arena');
  const board: Board = { tenant: 'acme', bracket: 'opencoder', task: 'code_generation' };
  const read = (of: Board) => store.read(principal, (db) => readBattles(db, of));
  const add = (of: Board, battles: readonly BattleCount[]) =>
    store.write(principal, (tx) => addBattles(tx, of, battles));

  test('a battle is the same whichever player is named first', () => {
    expect(battleOf('a', 'b', 'one')).toEqual({ playerA: 'a', playerB: 'b', winsA: 1, winsB: 0, ties: 0 });
    expect(battleOf('b', 'a', 'one')).toEqual({ playerA: 'a', playerB: 'b', winsA: 0, winsB: 1, ties: 0 });
    expect(battleOf('b', 'a', 'tie', 2)).toEqual({ playerA: 'a', playerB: 'b', winsA: 0, winsB: 0, ties: 2 });
    expect(battleOf('a', 'a', 'one')).toBeNull();
  });

  test('sums grow row by row, apart by tenant, bracket and task', async () => {
    const one = battleOf('a', 'b', 'one', 3) as BattleCount;
    await add(board, [one, battleOf('b', 'a', 'one') as BattleCount]);
    await add(board, [battleOf('a', 'b', 'tie') as BattleCount, battleOf('c', 'a', 'one') as BattleCount]);
    await add({ ...board, tenant: 'other' }, [one]);
    await add({ ...board, task: 'testing' }, [one]);
    expect(await read(board)).toEqual([
      { playerA: 'a', playerB: 'b', winsA: 3, winsB: 1, ties: 1 },
      { playerA: 'a', playerB: 'c', winsA: 0, winsB: 1, ties: 0 },
    ]);
    expect(await read({ ...board, tenant: 'other' })).toHaveLength(1);
    expect(await read({ ...board, bracket: 'none' })).toEqual([]);
  });

  test('a run counts matches between different models that were not void', () => {
    const models = ['big', 'small', 'big', 'small'];
    const matches = [
      { a: 0, b: 1, winner: 'a' },
      { a: 1, b: 2, winner: 'a' },
      { a: 0, b: 3, winner: 'tie' },
      { a: 2, b: 3, winner: 'void' },
      { a: 0, b: 2, winner: 'a' },
    ].map((match) => ({ round: 0, scoreA: 0, scoreB: 0, ...match }));
    const run = { candidates: models.map((model, index) => ({ index, model })), tournament: { matches } };
    const battles = battlesOfRun(run as unknown as Parameters<typeof battlesOfRun>[0]);
    expect(battles).toEqual([{ playerA: 'big', playerB: 'small', winsA: 1, winsB: 1, ties: 1 }]);
    expect(battlesOfRun({ candidates: [], tournament: null })).toEqual([]);
  });
});
