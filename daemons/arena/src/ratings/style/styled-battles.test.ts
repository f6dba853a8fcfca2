/** AR15: battles with the style of their answers, and nothing else of them. */
import { expect, test } from 'bun:test';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { onBothStores } from '../../../../../tests/harness/both-engines.ts';
import type { FinishedMatch, FinishedRun } from '../../contract/finished-run.ts';
import type { Style } from './style-control.ts';
import { addStyledBattles, readStyledBattles } from './styled-battles.ts';

const tester = system('style test');
const board = { tenant: 'acme', bracket: 'none', task: 'any' };

/** Answers of two models, one of them missing, and a match of each kind. */
function sampleRun(): FinishedRun {
  const answers = ['secret word', '# secret\n- **word**', null, 'x'];
  const candidates = answers.map((content, index) => ({
    index,
    model: index === 3 ? 'small' : ['big', 'small'][index % 2],
    final: content === null ? null : { answer: { role: 'assistant', content: [{ type: 'text', text: content }] } },
  }));
  const match = (a: number, b: number, winner: FinishedMatch['winner']) => {
    return { round: 0, scoreA: 0, scoreB: 0, a, b, winner };
  };
  const matches = [match(0, 1, 'b'), match(0, 2, 'a'), match(1, 2, 'tie'), match(1, 3, 'a'), match(0, 3, 'void')];
  return { candidates, tournament: { matches } } as unknown as FinishedRun;
}

const styles: Record<'plain' | 'marked' | 'empty', Style> = {
  plain: [11, 0, 0, 0],
  marked: [19, 1, 1, 1],
  empty: [0, 0, 0, 0],
};

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

function rows(store: () => Store): void {
  const read = (weight = 1, of = board) => store().read(tester, (db) => readStyledBattles(db, of, weight));

  test('matches of a run between different models, with counts of their answers and no word of them', async () => {
    await store().write(tester, (tx) => addStyledBattles(tx, board, sampleRun()));
    await store().write(tester, (tx) => addStyledBattles(tx, board, { candidates: [], tournament: null }));
    const { plain, marked, empty } = styles;
    expect((await read()).toReversed()).toEqual([
      { playerA: 'big', playerB: 'small', winner: 'b', styles: [plain, marked] },
      { playerA: 'small', playerB: 'big', winner: 'tie', styles: [marked, empty] },
    ]);
    const stored = await store().read(tester, (db) => db.selectFrom('arena_styled_battles').selectAll().execute());
    expect(JSON.stringify(stored)).not.toContain('secret');
    expect(await read(1, { ...board, tenant: 'other' })).toEqual([]);
  });

  test('votes with known style, unless they count nothing', async () => {
    const votes = [vote('one', {}), vote('two', { style: null }), vote('three', { confidence_ppm: 0 })];
    await store().write(tester, (tx) => tx.insertInto('arena_labels').values(votes).execute());
    const own = (await read(0.5)).filter(({ voteWeight }) => voteWeight !== undefined);
    const known = [
      [1, 0, 0, 0],
      [2, 0, 0, 0],
    ];
    expect(own).toMatchObject([{ playerA: 'big', winner: 'tie', styles: known, voteWeight: 0.5 }]);
    expect((await read(0)).some(({ voteWeight }) => voteWeight !== undefined)).toBe(false);
  });
}

onBothStores(rows);
