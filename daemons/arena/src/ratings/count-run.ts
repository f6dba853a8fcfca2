import type { Writer } from '@labmesh/store/store';
import type { FinishedRun } from '../contract/finished-run.ts';
import { addBattles, battlesOfRun } from './battle-counts.ts';
import { boardOfRun } from './board-of-run.ts';
import { addStyledBattles } from './style/styled-battles.ts';

/** Counts a run's matches on its leaderboard: in the transaction that ends it, so that none is counted twice. */
export async function countRun(tx: Writer, run: FinishedRun): Promise<void> {
  const board = boardOfRun(run);
  await addBattles(tx, board, battlesOfRun(run));
  await addStyledBattles(tx, board, run);
}
