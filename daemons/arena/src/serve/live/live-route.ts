/**
 * GET /v1/live for a gateway: what happens in one tenant, a line each (verification AR23). What changes anywhere but in a run
 * is tied to the news here.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { ApiError } from '@labmesh/wire/errors';
import { Hono } from 'hono';
import type { Revoker } from '../../certify/revoker.ts';
import type { Reviews } from '../../pairs/review/reviews.ts';
import type { Runs } from '../../runs/open-runs.ts';
import type { Verification } from '../../verify/verification.ts';
import { tenantOf } from '../arena-caller.ts';
import { VerifierWatch } from './watch-verifiers.ts';

export type LiveParts = {
  runs: Pick<Runs, 'news'>;
  issuer: { revoker: Pick<Revoker, 'onRevoked'> };
  pairs: { reviews: Pick<Reviews, 'onGiven'> };
  verification: Pick<Verification, 'describe'>;
};

export function liveRoute({ runs, issuer, pairs, verification }: LiveParts): Hono {
  const { news } = runs;
  issuer.revoker.onRevoked = (tenant, certificateId) =>
    news.tell(tenant, 'certificates', () => ({ event: 'revoked', certificateId }));
  pairs.reviews.onGiven = (tenant) => news.tell(tenant, 'leaderboard', () => ({ event: 'changed' }));
  const watch = new VerifierWatch({
    describe: () => verification.describe(),
    isHeard: () => news.isHeard,
    tell: (verifiers) => news.tell(undefined, 'verifiers', () => ({ event: 'changed', verifiers })),
  });
  const app = new Hono();
  app.get('/v1/live', (c) => {
    const lines = listen(news, tenantOf(c));
    watch.start();
    return new Response(lines, { headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' } });
  });
  return app;
}

/** @throws ApiError arena_busy */
function listen(news: Runs['news'], tenant: string): ReadableStream<Uint8Array> {
  try {
    return news.listen(tenant);
  } catch (error) {
    if (!(error instanceof BoundPassed)) throw error;
    throw new ApiError('arena_busy', { log: error.message });
  }
}
