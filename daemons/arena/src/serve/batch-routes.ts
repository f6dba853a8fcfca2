/** Proposed versions, what becomes of versions, and all at a glance, below /api/arena (PD6, AR23); mounted with the other routes of preference data. */
import { approveBatchSchema, stageDatasetSchema } from '@labmesh/wire/verification/datasets';
import type { Hono } from 'hono';
import type { Pairs } from '../pairs/pairs.ts';
import { authorOf, inPath, jsonBody, pageQuery, parse, whose } from './pairs-request.ts';

export function batchRoutes(app: Hono, pairs: Pairs): void {
  const root = '/api/arena/batches';
  const { batches } = pairs;
  app.get(root, async (context) => {
    const { items, nextCursor } = await batches.list(whose(context), parse(pageQuery, context.req.query()));
    return context.json({ batches: items, nextCursor });
  });
  app.get(`${root}/:id`, async (context) =>
    context.json(await batches.get(whose(context), inPath(context, 'id', 'BATCH_NOT_FOUND'))),
  );
  app.post(`${root}/:id/approve`, async (context) => {
    const [tenant, id] = [whose(context), inPath(context, 'id', 'BATCH_NOT_FOUND')];
    const { name } = parse(approveBatchSchema, await jsonBody(context.req.raw, {}));
    return context.json(await batches.approve(tenant, id, authorOf(context), name));
  });
  app.post(`${root}/:id/reject`, async (context) => {
    const [tenant, id] = [whose(context), inPath(context, 'id', 'BATCH_NOT_FOUND')];
    return context.json(await batches.reject(tenant, id, authorOf(context)));
  });
  app.get('/api/arena/distillation', async (context) => {
    const tenant = whose(context);
    return context.json({ pairs: await pairs.stats(tenant), ...(await batches.figures(tenant)) });
  });
  app.post('/api/arena/datasets/:ref/stage', async (context) => {
    const [tenant, ref] = [whose(context), inPath(context, 'ref', 'DATASET_NOT_FOUND')];
    const wanted = parse(stageDatasetSchema, await jsonBody(context.req.raw));
    return context.json(await pairs.stageDataset(tenant, ref, wanted));
  });
}
