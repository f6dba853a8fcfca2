/** The arena's API in one place: who may ask, what is answered to what is thrown (verification AR20-AR23). */
import { timingSafeEqual } from 'node:crypto';
import type { Logger } from '@labmesh/kit/log';
import { Hono } from 'hono';
import type { Pairs } from '../pairs/pairs.ts';
import { tenantOf } from './arena-caller.ts';
import { ArenaRefused, refusal } from './arena-refused.ts';
import { catalogueRoutes, type CatalogueParts } from './catalogue-routes.ts';
import { certificateRoutes, type CertificateRouteParts } from './certificate-routes.ts';
import { epochRoute, type EpochParts } from './epoch-route.ts';
import { type JudgeParts, judgeRoutes } from './judges/judge-routes.ts';
import { pairsRoutes } from './pairs-routes.ts';
import { runFacts } from './certificates/run-facts.ts';
import { runRoutes, type RunRouteParts } from './run-routes.ts';
import { metricsPath, type ToolParts, toolRoutes } from './tools/tool-routes.ts';
import { type TournamentParts, tournamentRoutes } from './tournament-routes.ts';

export type ArenaAppParts = CatalogueParts &
  CertificateRouteParts &
  EpochParts &
  TournamentParts &
  JudgeParts &
  ToolParts &
  Omit<RunRouteParts, 'onFault' | keyof ReturnType<typeof runFacts>> & {
    pairs: Pairs;
    /** The secret that gateway and arena share. */
    token: string;
    log: Logger;
  };

function isToken(given: string | undefined, token: string): boolean {
  const [shown, expected] = [Buffer.from(given ?? ''), Buffer.from(`Bearer ${token}`)];
  return shown.length === expected.length && timingSafeEqual(shown, expected);
}

export function arenaApp(parts: ArenaAppParts): Hono {
  const { log, token } = parts;
  const onFault = (error: unknown) => log.error('a request met a fault of ours', { error });
  const app = new Hono();
  app.get('/livez', (c) => c.json({ status: 'ok' }));
  // Only the gateway knows whose request it is: nobody else is answered.
  app.use(async (c, next) => {
    if (!isToken(c.req.header('authorization'), token)) {
      return c.json(
        { error: 'Unauthorized', message: 'the arena is asked through the gateway', code: 'UNAUTHENTICATED' },
        401,
      );
    }
    // Counts are of all tenants together: they are whoever's the secret is.
    if (c.req.path !== metricsPath) tenantOf(c);
    // Prompts and what models wrote: nobody on the way keeps it, or takes it for a page.
    c.header('cache-control', 'no-store');
    c.header('x-content-type-options', 'nosniff');
    return await next();
  });
  app.get('/api/arena', (c) => {
    const routes = app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`);
    return c.json({ status: 'ok', endpoint: 'self', routes: [...new Set(routes)] });
  });
  app.route('/', runRoutes({ ...parts, ...runFacts(parts.store), onFault }));
  app.route('/', certificateRoutes(parts));
  app.route('/', catalogueRoutes(parts));
  app.route('/', tournamentRoutes(parts));
  app.route('/', epochRoute(parts));
  app.route('/', judgeRoutes(parts));
  app.route('/', toolRoutes(parts));
  app.route('/', pairsRoutes(parts.pairs));
  app.onError((error, c) => refusal(c, error, onFault));
  app.notFound((c) =>
    refusal(c, new ArenaRefused('ROUTE_NOT_FOUND', `there is no route ${c.req.path.slice(0, 100)}`), onFault),
  );
  return app;
}
