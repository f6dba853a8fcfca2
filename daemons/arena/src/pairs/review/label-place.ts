/**
 * On which leaderboard a label counts, and between which models (AR17): noted beside it, since a board is read without the
 * runs. Labels of before there were notes get theirs here, later.
 */
import type { Reader, Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { FinishedRun } from '../../contract/finished-run.ts';
import { boardOfRun } from '../../ratings/board-of-run.ts';
import { stylesText } from '../../ratings/style/styled-battles.ts';
import { readRunRows, runOfRows } from '../flywheel/run-of-rows.ts';

/** Columns of a label. */
type LabelPlace = { bracket: string; task: string; player_a: string; player_b: string; style: string | null };

const worker = system('label-places');
/** Comparisons of one pass. */
const passMost = 100;
/** Equal players are on no board. */
const nowhere: LabelPlace = { bracket: '', task: '', player_a: '', player_b: '', style: null };

/** `a` and `b` are answers of the run. */
export function placeOf(run: FinishedRun, a: number, b: number): LabelPlace {
  const [one, other] = [a, b].map((index) => run.candidates.find((candidate) => candidate.index === index));
  if (one === undefined || other === undefined) return nowhere;
  const { bracket, task } = boardOfRun(run);
  const style = stylesText(one.final, other.final);
  return { bracket, task, player_a: one.model, player_b: other.model, style };
}

type Unplaced = { id: string; tenant: string; run_id: string; a: number; b: number };

const unplaced = (db: Reader, after: string): Promise<Unplaced[]> =>
  db
    .selectFrom('arena_labels')
    .select(['id', 'tenant', 'run_id', 'a', 'b'])
    .where('player_a', 'is', null)
    .where('id', '>', after)
    .orderBy('id')
    .limit(passMost)
    .execute();

/** A run that is gone, or whose rows are damaged, is on no board. */
async function foundPlace(store: Store, { tenant, run_id: runId, a, b }: Unplaced): Promise<LabelPlace> {
  try {
    const rows = await store.read(worker, (db) => readRunRows(db, runId, tenant));
    const run = rows && runOfRows(rows);
    return run === undefined ? nowhere : placeOf(run, a, b);
  } catch (error) {
    if (error instanceof FleetError) throw error;
    return nowhere;
  }
}

/** Places labels that have no place yet: a hundred a pass, and again from the first after the last. */
export class LabelPlaces {
  readonly #store: Store;
  readonly #keeps: (tenant: string) => boolean;
  #after = '';

  /** @param keeps `arena.capture`: texts of others are not read, and their labels wait */
  constructor(store: Store, keeps: (tenant: string) => boolean) {
    this.#store = store;
    this.#keeps = keeps;
  }

  /** @returns how many were placed. @throws FleetError when the database is away */
  async pass(): Promise<number> {
    const found = await this.#store.read(worker, (db) => unplaced(db, this.#after));
    this.#after = found.length < passMost ? '' : (found.at(-1)?.id ?? '');
    const mine = found.filter(({ tenant }) => this.#keeps(tenant));
    for (const one of mine) {
      const place = await foundPlace(this.#store, one);
      // What a reviewer said meanwhile has its place already.
      await this.#store.write(worker, (tx) =>
        tx.updateTable('arena_labels').set(place).where('id', '=', one.id).where('player_a', 'is', null).execute(),
      );
    }
    return mine.length;
  }
}
