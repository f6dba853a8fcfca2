/** AR17: what people say of answers, on leaderboards. */
import { describe, expect, test } from 'bun:test';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import fc from 'fast-check';
import { onBothStores } from '../../../../tests/harness/both-engines.ts';
import { leaderboard } from './leaderboard.ts';
import { readVotes } from './votes.ts';

const tester = system('votes test');
const board = { tenant: 'acme', bracket: 'none', task: 'any' };
type Vote = { players: readonly [string, string]; winner: 'a' | 'b' | 'tie'; confidence?: number; of?: object };

async function put(store: Store, votes: readonly Vote[]): Promise<void> {
  await store.write(tester, async (tx) => {
    await tx.deleteFrom('arena_labels').execute();
    for (const [at, { players, winner, confidence = 1, of = {} }] of votes.entries()) {
      const place = { ...board, player_a: players[0], player_b: players[1], style: null, ...of };
      const said = { winner, confidence_ppm: confidence * 1e6, words: '{}', reviewer: 'k' };
      const row = { id: uuidv7(), created_at: 1, run_id: `run-${at}`, a: 0, b: 1, ...said, ...place };
      await tx.insertInto('arena_labels').values(row).execute();
    }
  });
}

function suite(store: () => Store): void {
  const read = (weight = 1, of = board) => store().read(tester, (db) => readVotes(db, of, weight));

  test('one battle a vote, whichever answer came first; ties; none of one model with itself', async () => {
    await put(store(), [
      { players: ['big', 'small'], winner: 'a' },
      { players: ['small', 'big'], winner: 'b', confidence: 0.1 },
      { players: ['small', 'big'], winner: 'a' },
      { players: ['big', 'small'], winner: 'tie' },
      { players: ['big', 'big'], winner: 'a' },
      { players: ['', ''], winner: 'a' },
      // No word at all.
      { players: ['big', 'small'], winner: 'a', confidence: 0 },
      // Not looked at yet.
      { players: ['big', 'small'], winner: 'a', of: { player_a: null, player_b: null, bracket: null, task: null } },
    ]);
    expect(await read(2.5)).toEqual([
      { playerA: 'big', playerB: 'small', winsA: 2, winsB: 1, ties: 1, voteWeight: 2.5 },
    ]);
    expect(await read(0)).toEqual([]);
  });

  test('apart by tenant, bracket and task class', async () => {
    await put(store(), [
      { players: ['a', 'b'], winner: 'a', of: { tenant: 'other' } },
      { players: ['a', 'b'], winner: 'a', of: { bracket: 'opencoder' } },
      { players: ['a', 'b'], winner: 'a', of: { task: 'testing' } },
    ]);
    expect(await read()).toEqual([]);
    for (const of of [{ tenant: 'other' }, { bracket: 'opencoder' }, { task: 'testing' }]) {
      expect(await read(1, { ...board, ...of })).toHaveLength(1);
    }
  });

  test('any votes: as many battles as there are votes of two models', async () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const vote = fc.record({ players: fc.tuple(name, name), winner: fc.constantFrom('a', 'b', 'tie') });
    await fc.assert(
      fc.asyncProperty(fc.array(vote, { maxLength: 12 }), async (votes) => {
        await put(store(), votes);
        const counted = (await read()).reduce((sum, { winsA, winsB, ties }) => sum + winsA + winsB + ties, 0);
        expect(counted).toBe(votes.filter(({ players: [a, b] }) => a !== b).length);
      }),
      { numRuns: 25 },
    );
  });
}

onBothStores(suite);

describe('on the board', () => {
  const matches = { playerA: 'a', playerB: 'b', winsA: 20, winsB: 9, ties: 0 };
  const votes = (winsB: number, voteWeight: number) => ({ ...matches, winsA: 0, winsB, voteWeight });

  test('a vote is a battle of the 30, however much it weighs, and is told apart', async () => {
    expect(await leaderboard([matches], 1)).toMatchObject({ state: 'few', battles: 29 });
    expect(await leaderboard([votes(29, 1000)], 1)).toMatchObject({ state: 'few', battles: 29, votes: 29 });
    const board = await leaderboard([matches, votes(1, 0.01)], 1);
    expect(board).toMatchObject({ state: 'ranked', battles: 30, votes: 1, leverage: { of: 30 } });
    if (board.state !== 'ranked') throw new Error(board.state);
    expect(board.rows.map(({ player, battles, votes }) => [player, battles, votes])).toEqual([
      ['a', 30, 1],
      ['b', 30, 1],
    ]);
  });

  test('weights move ratings: none, some, all', async () => {
    const leadOf = async (weight: number) => {
      const board = await leaderboard([matches, votes(15, weight)], 1);
      if (board.state !== 'ranked') throw new Error(board.state);
      const of = (name: string) => board.rows.find(({ player }) => player === name)?.rating ?? 0;
      return of('a') - of('b');
    };
    const alone = await leaderboard([{ ...matches, winsA: 21 }], 1);
    expect(alone.state).toBe('ranked');
    const leads = [await leadOf(1e-9), await leadOf(0.5), await leadOf(1), await leadOf(1000)];
    expect(leads).toEqual(leads.toSorted((one, other) => other - one));
    expect(leads[0]).toBeGreaterThan(100);
    // 20 wins to 9 + 15 at weight 1.
    expect(leads[2]).toBeWithin(-40, -20);
    expect(leads.every(Number.isFinite)).toBe(true);
  });
});
