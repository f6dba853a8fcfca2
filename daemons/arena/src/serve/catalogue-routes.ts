/** What the arena holds: verifiers, suites, trajectories and figures (verification AR20, AR21, AR23, V20). */
import type { Store } from '@labmesh/store/store';
import { trajectoryStatuses } from '@labmesh/wire/verification/arena-views';
import { suiteLimits } from '@labmesh/wire/verification/suite';
import { Hono } from 'hono';
import { z } from 'zod';
import { parseSuite } from '../suites/parse-suite.ts';
import type { SuiteShelf } from '../suites/suite-shelf.ts';
import type { Verification } from '../verify/verification.ts';
import { idOf, keyOf, pageOf, tenantOf } from './arena-caller.ts';
import { ArenaRefused, readBy } from './arena-refused.ts';
import { replayRun } from './replay-run.ts';
import { detailView, listRuns, readDetail, tenantStats } from './run-views.ts';

export type CatalogueParts = {
  store: Store;
  verification: Verification;
  suites: SuiteShelf;
  /** Variations of a run that says nothing of it. */
  variations: number;
};

const statusField = z.enum(trajectoryStatuses).optional();

export function catalogueRoutes({ store, verification, suites, variations }: CatalogueParts): Hono {
  const app = new Hono();
  app.get('/api/arena/stats', async (c) => {
    const stats = await tenantStats(store, tenantOf(c));
    const views = await verification.describe();
    const [checks, cached] = [
      views.reduce((sum, one) => sum + one.checks, 0),
      views.reduce((sum, one) => sum + one.cached, 0),
    ];
    return c.json({
      ...stats,
      activeVerifiers: views.filter((one) => one.enabled && one.status !== 'offline').length,
      shadowLoopVariations: variations,
      cacheHitRate: checks + cached === 0 ? null : cached / (checks + cached),
      updatedAt: new Date().toISOString(),
    });
  });
  app.get('/api/arena/verifiers', async (c) => {
    const verifiers = (await verification.describe()).map(({ lastCheck, ...one }) => ({
      ...one,
      lastCheck: lastCheck === null ? null : new Date(lastCheck).toISOString(),
    }));
    return c.json({ verifiers });
  });
  app.get('/api/arena/trajectories', async (c) => {
    const page = pageOf(c);
    const status = readBy(statusField, c.req.query('status'), 'status');
    return c.json({ ...(await listRuns(store, tenantOf(c), { ...page, status })), ...page });
  });
  app.get('/api/arena/trajectories/:id', async (c) => {
    const detail = await readDetail(store, tenantOf(c), idOf(c, 'run'));
    if (detail === undefined) throw new ArenaRefused('NOT_FOUND', 'there is no run with this id');
    return c.json(detailView(detail));
  });
  app.get('/api/arena/trajectories/:id/replay', async (c) => {
    const detail = await readDetail(store, tenantOf(c), idOf(c, 'run'));
    if (detail === undefined) throw new ArenaRefused('NOT_FOUND', 'there is no run with this id');
    return c.json(replayRun(detail));
  });
  app.get('/api/arena/suites', async (c) => c.json({ suites: await suites.list(tenantOf(c)) }));
  app.post('/api/arena/suites', async (c) => {
    const tenant = tenantOf(c);
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    if (bytes.length > suiteLimits.textBytes) {
      throw new ArenaRefused('BODY_TOO_LARGE', `a suite has at most ${suiteLimits.textBytes} bytes`);
    }
    return c.json(await suites.put(tenant, parseSuite(bytes), keyOf(c)), 201);
  });
  app.delete('/api/arena/suites/:id', async (c) => {
    if (await suites.remove(tenantOf(c), idOf(c, 'suite'))) return c.body(null, 204);
    throw new ArenaRefused('NOT_FOUND', 'there is no suite with this id');
  });
  return app;
}
