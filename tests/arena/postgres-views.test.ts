/** What the arena shows, on PostgreSQL: parts of it are read in the database's own words for JSON. */
import { expect, test } from 'bun:test';
import { FakeGateway } from '@labmesh/arena/generate/testing/fake-gateway';
import { eventsOf, offerOf } from '@labmesh/arena/runs/testing/offers';
import { openRig } from '@labmesh/arena/runs/testing/run-rig';
import { listRuns, tenantStats } from '@labmesh/arena/serve/run-views';
import { tournamentRoutes } from '@labmesh/arena/serve/tournament-routes';
import { openStore } from '@labmesh/store/open-store';
import { tenantHeader } from '@labmesh/wire/verification/arena-run';
import { postgresAvailable, startPostgres } from '../harness/start-postgres.ts';

const missing = postgresAvailable();

test.skipIf(missing !== undefined)(
  `runs, figures and matches on PostgreSQL (${missing ?? 'it is here'})`,
  async () => {
    await using postgres = await startPostgres();
    await using store = await openStore({ url: postgres.url });
    await using gateway = new FakeGateway((_, call) => ({ parts: [`good ${call}`] }));
    await using rig = await openRig({ gateway, store, settings: { capture: ['acme'] } });
    await eventsOf(rig.runs, offerOf({ block: { method: 'round_robin', variations: 3 } }));
    await eventsOf(rig.runs, offerOf({ block: { budget: { tokens: 1 } } }));
    const list = (status?: 'inconclusive') => listRuns(store, 'acme', { limit: 200, offset: 0, status });
    const { trajectories, total } = await list();
    expect(total).toBe(2);
    expect(trajectories).toMatchObject([
      { status: 'inconclusive', messageCount: 1, failureReason: expect.stringContaining('budget') },
      { status: 'verified', messageCount: 1, score: 1 },
    ]);
    expect((await list('inconclusive')).total).toBe(1);
    expect(await tenantStats(store, 'acme')).toMatchObject({
      totalTrajectories: 2,
      averageLatencyMs: expect.any(Number),
    });
    const app = tournamentRoutes({ store, runs: rig.runs });
    const read = async (path: string) =>
      await (await app.request(`/api/arena/${path}`, { headers: { [tenantHeader]: 'acme' } })).json();
    expect(await read('comparisons?limit=1')).toMatchObject({
      total: 6,
      comparisons: [{ scoreA: expect.any(Number) }],
    });
    expect(await read('tournaments')).toMatchObject({
      total: 1,
      tournaments: [{ comparisons: 6, status: 'verified' }],
    });
  },
  60_000,
);
