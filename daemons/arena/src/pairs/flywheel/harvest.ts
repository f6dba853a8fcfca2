/**
 * Pairs of runs that ended (PD6): wanted are those of every ended run, seen is what `pairs_state` says. The end of a run
 * makes its pairs itself; here is made up for what failed then, for ends of a process, for runs of before. Safe to run
 * twice: a pair made again has the id that it had.
 */
import type { Logger } from '@labmesh/kit/log';
import type { Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { type PairsOfRun, pairsOfRun } from '../pairs-of-run.ts';
import { insertTriplets } from '../triplet-rows.ts';
import { readRunRows, runOfRows } from './run-of-rows.ts';

export type HarvestParts = {
  store: Store;
  logger: Logger;
  /** `arena.capture`: asked again, since consent may have been taken back since the run. */
  keeps: (tenant: string) => boolean;
};
export type Harvested = { runs: number; pairs: number; failed: number };

const worker = system('flywheel');
/** Runs that are marked in one statement. */
const marksAtOnce = 500;

type Waiting = { id: string; tenant: string };

/** Ended runs that nobody looked at, oldest first. */
const waitingRuns = (store: Store, limit: number): Promise<Waiting[]> =>
  store.read(worker, (db) =>
    db
      .selectFrom('arena_runs')
      .select(['id', 'tenant'])
      .where('pairs_state', 'is', null)
      .where('finished_at', 'is not', null)
      .orderBy('id')
      .limit(limit)
      .execute(),
  );

/** Those of the runs that have pairs already. */
async function paired(store: Store, ids: readonly string[]): Promise<Set<string>> {
  const query = (some: readonly string[]) =>
    store.read(worker, (db) =>
      db.selectFrom('arena_triplets').select('run_id').distinct().where('run_id', 'in', some).execute(),
    );
  const found = new Set<string>();
  for (let at = 0; at < ids.length; at += marksAtOnce) {
    for (const { run_id: id } of await query(ids.slice(at, at + marksAtOnce))) found.add(id);
  }
  return found;
}

async function mark(store: Store, ids: readonly string[], state: 'processed' | 'failed'): Promise<void> {
  for (let at = 0; at < ids.length; at += marksAtOnce) {
    const some = ids.slice(at, at + marksAtOnce);
    await store.write(worker, (tx) =>
      tx
        .updateTable('arena_runs')
        .set({ pairs_state: state })
        .where('id', 'in', some)
        .where('pairs_state', 'is', null)
        .execute(),
    );
  }
}

/** The pairs of one run, of its rows. @throws what damaged rows throw */
async function pairsOf(store: Store, { id, tenant }: Waiting) {
  const rows = await store.read(worker, (db) => readRunRows(db, id, tenant));
  const run = rows === undefined ? undefined : runOfRows(rows);
  return run === undefined ? [] : pairsOfRun(run, rows?.run.certificateId ?? null).pairs;
}

/** Pairs and mark together. A run that is marked already, as when its pairs were deleted, gets none. @returns how many */
export async function keepPairs(tx: Writer, runId: string, pairs: PairsOfRun['pairs']): Promise<number> {
  const open = await tx
    .updateTable('arena_runs')
    .set({ pairs_state: 'processed' })
    .where('id', '=', runId)
    .where('pairs_state', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return open === undefined ? 0 : insertTriplets(tx, pairs);
}

/** Looks at so many runs. @throws FleetError when the database is away: what was not looked at waits for the next time */
export async function harvestRuns(parts: HarvestParts, limit: number, signal: AbortSignal): Promise<Harvested> {
  const { store, logger, keeps } = parts;
  const waiting = await waitingRuns(store, limit);
  const known = await paired(
    store,
    waiting.map(({ id }) => id),
  );
  const settled = waiting.filter(({ id, tenant }) => known.has(id) || !keeps(tenant));
  await mark(
    store,
    settled.map(({ id }) => id),
    'processed',
  );
  const done: Harvested = { runs: settled.length, pairs: 0, failed: 0 };
  for (const { id, tenant } of waiting) {
    if (signal.aborted) break;
    if (known.has(id) || !keeps(tenant)) continue;
    done.runs++;
    try {
      const pairs = await pairsOf(store, { id, tenant });
      done.pairs += await store.write(worker, (tx) => keepPairs(tx, id, pairs));
    } catch (error) {
      if (error instanceof FleetError) throw error;
      done.failed++;
      // Its name alone: what could not be read may stand in the message.
      logger.error('a run could not be read for pairs', {
        run: id,
        error: error instanceof Error ? error.name : 'unknown',
      });
      await mark(store, [id], 'failed');
    }
  }
  return done;
}
