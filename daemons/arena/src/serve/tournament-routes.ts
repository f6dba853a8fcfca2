/** Matches between answers, and the runs that they were played in (verification AR16, AR23). */
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { Hono } from 'hono';
import type { Runs } from '../runs/open-runs.ts';
import { idOf, pageOf, tenantOf } from './arena-caller.ts';
import { ArenaRefused } from './arena-refused.ts';
import { statusOf } from './run-views.ts';

export type TournamentParts = { store: Store; runs: Pick<Runs, 'adopt'> };

const who = system('arena-tournaments');
type Page = { limit: number; offset: number };

/** Calls of judges, newest first; a match is two of them, one in each order. */
const listComparisons = (store: Store, tenant: string, { limit, offset }: Page) =>
  store.read(who, async (db) => {
    const own = db
      .selectFrom('arena_matches')
      .innerJoin('arena_runs', 'arena_runs.id', 'arena_matches.run_id')
      .where('arena_runs.tenant', '=', tenant);
    const { total } = await own.select((row) => row.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
    const rows = await own
      .selectAll('arena_matches')
      .orderBy('arena_matches.id', 'desc')
      .limit(limit)
      .offset(offset)
      .execute();
    const comparisons = rows.map(({ id, run_id, created_at, round, a, b, leg, judge, result }) => {
      const { scoreA = null, scoreB = null } = result === null ? {} : (JSON.parse(result) as Record<string, number>);
      const createdAt = new Date(created_at).toISOString();
      return { id, runId: run_id, createdAt, round, a, b, leg, judge, scoreA, scoreB };
    });
    return { comparisons, total };
  });

/** Runs in which judges were asked, newest first. */
const listTournaments = (store: Store, tenant: string, { limit, offset }: Page) =>
  store.read(who, async (db) => {
    const own = db
      .selectFrom('arena_runs')
      .innerJoin('arena_matches', 'arena_matches.run_id', 'arena_runs.id')
      .where('arena_runs.tenant', '=', tenant);
    const { total } = await own
      .select((row) => row.fn.count<number>('arena_runs.id').distinct().as('total'))
      .executeTakeFirstOrThrow();
    const columns = ['arena_runs.id', 'state', 'outcome', 'chosen', 'arena_runs.created_at'] as const;
    const rows = await own
      .select([...columns, (row) => row.fn.countAll<number>().as('legs')])
      .groupBy(columns)
      .orderBy('arena_runs.id', 'desc')
      .limit(limit)
      .offset(offset)
      .execute();
    const tournaments = rows.map(({ id, state, outcome, chosen, created_at, legs }) => ({
      id,
      status: statusOf({ state, outcome } as Parameters<typeof statusOf>[0]),
      state,
      chosen,
      comparisons: legs,
      createdAt: new Date(created_at).toISOString(),
    }));
    return { tournaments, total };
  });

export function tournamentRoutes({ store, runs }: TournamentParts): Hono {
  const app = new Hono();
  app.get('/api/arena/comparisons', async (c) => {
    const page = pageOf(c);
    return c.json({ ...(await listComparisons(store, tenantOf(c), page)), ...page });
  });
  app.get('/api/arena/tournaments', async (c) => {
    const page = pageOf(c);
    return c.json({ ...(await listTournaments(store, tenantOf(c), page)), ...page });
  });
  app.post('/api/arena/tournaments/:id/resume', async (c) => {
    const [tenant, id] = [tenantOf(c), idOf(c, 'run')];
    const find = () =>
      store.read(who, (db) =>
        db
          .selectFrom('arena_runs')
          .select(['state', 'finished_at'])
          .where('id', '=', id)
          .where('tenant', '=', tenant)
          .executeTakeFirst(),
      );
    const run = await find();
    if (run === undefined) throw new ArenaRefused('NOT_FOUND', 'there is no run with this id');
    if (run.finished_at !== null) throw new ArenaRefused('CONFLICT', 'this run has ended');
    // All that nobody holds are taken: which of them is asked for makes no difference to who pays.
    await runs.adopt();
    return c.json({ id, state: (await find())?.state ?? run.state }, 202);
  });
  return app;
}
