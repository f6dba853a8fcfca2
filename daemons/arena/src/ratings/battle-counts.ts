/** Sums of battles as rows (AR15, AR17): ratings never read single matches. */
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import type { FinishedRun } from '../contract/finished-run.ts';

/** Leaderboards are apart by tenant, bracket and task class. */
export type Board = { tenant: string; bracket: string; task: string };

/** `playerA` < `playerB`; players are models as the engine names them. Numbers of battles are whole. */
export type BattleCount = {
  playerA: string;
  playerB: string;
  winsA: number;
  winsB: number;
  ties: number;
  /** On votes of people only: what one of them weighs beside a match of the arena, which weighs 1. */
  voteWeight?: number;
};

/** Pairs that a board may have: those of 200 players. */
export const pairsMost = 19_900;

/** Sums of `count` battles of one outcome, whichever player is named first; none of a player against itself. */
export function battleOf(one: string, other: string, winner: 'one' | 'other' | 'tie', count = 1): BattleCount | null {
  if (one === other) return null;
  const turned = one > other;
  const [playerA, playerB] = turned ? [other, one] : [one, other];
  const won = (side: 'one' | 'other') => (winner === side ? count : 0);
  const [winsA, winsB] = turned ? [won('other'), won('one')] : [won('one'), won('other')];
  return { playerA, playerB, winsA, winsB, ties: winner === 'tie' ? count : 0 };
}

/** What a run says of models: its matches between answers of different ones; void matches say nothing. */
export function battlesOfRun({
  tournament,
  candidates,
}: Pick<FinishedRun, 'tournament' | 'candidates'>): BattleCount[] {
  const models = new Map(candidates.map(({ index, model }) => [index, model]));
  const winners = { a: 'one', b: 'other', tie: 'tie' } as const;
  const battles = (tournament?.matches ?? []).flatMap(({ a, b, winner }) => {
    const [one, other] = [models.get(a), models.get(b)];
    if (winner === 'void' || one === undefined || other === undefined) return [];
    return battleOf(one, other, winners[winner]) ?? [];
  });
  return summed(battles);
}

/** One row a pair. Those given weigh alike. */
export function summed(battles: readonly BattleCount[]): BattleCount[] {
  const sums = new Map<string, BattleCount>();
  for (const battle of battles) {
    const key = JSON.stringify([battle.playerA, battle.playerB]);
    const { winsA, winsB, ties } = sums.get(key) ?? { winsA: 0, winsB: 0, ties: 0 };
    sums.set(key, {
      ...battle,
      winsA: winsA + battle.winsA,
      winsB: winsB + battle.winsB,
      ties: ties + battle.ties,
    });
  }
  return [...sums.values()];
}

/** Adds to the sums: in the transaction that ends the run, so that none is counted twice. Counts are whole numbers. */
export async function addBattles(tx: Writer, board: Board, battles: readonly BattleCount[]): Promise<void> {
  for (const { playerA, playerB, winsA, winsB, ties } of battles) {
    const players = { player_a: playerA, player_b: playerB };
    await tx
      .insertInto('arena_battles')
      .values({ id: uuidv7(), created_at: Date.now(), ...board, ...players, wins_a: winsA, wins_b: winsB, ties })
      .onConflict((on) =>
        on.columns(['tenant', 'bracket', 'task', 'player_a', 'player_b']).doUpdateSet((row) => ({
          wins_a: row('arena_battles.wins_a', '+', winsA),
          wins_b: row('arena_battles.wins_b', '+', winsB),
          ties: row('arena_battles.ties', '+', ties),
          revision: row('arena_battles.revision', '+', 1),
        })),
      )
      .execute();
  }
}

/** Sums of one board. @throws RangeError past 19,900 pairs */
export async function readBattles(db: Reader, board: Board): Promise<BattleCount[]> {
  const rows = await db
    .selectFrom('arena_battles')
    .selectAll()
    .where('tenant', '=', board.tenant)
    .where('bracket', '=', board.bracket)
    .where('task', '=', board.task)
    .orderBy('player_a')
    .orderBy('player_b')
    .limit(pairsMost + 1)
    .execute();
  if (rows.length > pairsMost) throw new RangeError(`over ${pairsMost} pairs on one leaderboard`);
  return rows.map((row) => ({
    playerA: row.player_a,
    playerB: row.player_b,
    winsA: row.wins_a,
    winsB: row.wins_b,
    ties: row.ties,
  }));
}
