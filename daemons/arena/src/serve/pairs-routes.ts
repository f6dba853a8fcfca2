/**
 * Preference data over HTTP, below /api/arena. The gateway checked the key and says in a header whose request it is; only
 * it reaches this listener. Errors are {error, message, code, field?}.
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { createDatasetSchema, type ExportEvent } from '@labmesh/wire/verification/datasets';
import { exportFormats, tripletQualities, tripletSources } from '@labmesh/wire/verification/preference';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Pairs } from '../pairs/pairs.ts';
import { PairsError } from '../pairs/pairs-error.ts';
import { batchRoutes } from './batch-routes.ts';
import { labelRoutes } from './label-routes.ts';
import { authorOf, inPath, jsonBody, pageQuery, parse, textField, whose } from './pairs-request.ts';

/** Bytes of an export that wait for a slow reader; then the next row does. */
const heldBytesMost = 256 * 1024;

const tripletQuery = z.strictObject({
  ...pageQuery.shape,
  quality: z.enum(tripletQualities).optional(),
  source: z.enum(tripletSources).optional(),
  run: textField.optional(),
});
const exportQuery = z.strictObject({ format: z.enum(exportFormats) });
const removeQuery = z.union([z.strictObject({ run: textField }), z.strictObject({ all: z.literal('true') })]);

/** What a caller may know of any error; what nobody foresaw is told to the log. */
function publicError(error: unknown, { logger }: Pairs): PairsError {
  if (error instanceof PairsError) return error;
  if (error instanceof FleetError && error.code === 'VALIDATION_FAILED') {
    return new PairsError('VALIDATION_FAILED', error.message, 'cursor');
  }
  if (error instanceof FleetError && error.status === 503) {
    return new PairsError('STORE_UNAVAILABLE', 'the database is away; try again');
  }
  logger.error('a request for preference data met a fault of ours', { error });
  return new PairsError('INTERNAL', 'a fault of the arena; its log has the details');
}

/** How long an export waits for a reader that takes nothing. */
const readerWaitMs = 60_000;

type WriteExport = (sink: (event: ExportEvent) => Promise<void>, signal: AbortSignal) => Promise<unknown>;

/** Events as lines, at the reader's pace. One that goes away, or takes nothing for too long, ends the export. */
function exportResponse(pairs: Pairs, waitMs: number, write: WriteExport): Response {
  const gone = new AbortController();
  let wake = () => {};
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const put = (event: ExportEvent) => controller.enqueue(Buffer.from(`${JSON.stringify(event)}\n`));
        const stalled = () => {
          gone.abort();
          controller.error(new Error('the reader takes nothing'));
          wake();
        };
        const sink = async (event: ExportEvent) => {
          gone.signal.throwIfAborted();
          put(event);
          if ((controller.desiredSize ?? 0) > 0) return;
          const timer = setTimeout(stalled, waitMs);
          await new Promise<void>((resolve) => (wake = resolve));
          clearTimeout(timer);
        };
        const failed = (error: unknown) => {
          if (gone.signal.aborted) return;
          const { code, message } = publicError(error, pairs);
          put({ event: 'error', code, message });
          controller.close();
        };
        // Not awaited: start has to end before the first pull.
        void write(sink, gone.signal).then(() => gone.signal.aborted || controller.close(), failed);
      },
      pull: () => wake(),
      cancel() {
        gone.abort();
        wake();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: heldBytesMost }),
  );
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' } });
}

function tripletRoutes(app: Hono, pairs: Pairs): void {
  const root = '/api/arena/triplets';
  app.get(root, async (context) => {
    const { items, nextCursor } = await pairs.list(whose(context), parse(tripletQuery, context.req.query()));
    return context.json({ triplets: items, nextCursor });
  });
  app.delete(root, async (context) => {
    const what = parse(removeQuery, context.req.query());
    return context.json(await pairs.remove(whose(context), 'all' in what ? { all: true } : what));
  });
  app.get(`${root}/stats`, async (context) => context.json(await pairs.stats(whose(context))));
  app.get(`${root}/:id`, async (context) =>
    context.json(await pairs.get(whose(context), inPath(context, 'id', 'TRIPLET_NOT_FOUND'))),
  );
  app.delete(`${root}/:id`, async (context) => {
    const removed = await pairs.remove(whose(context), { id: inPath(context, 'id', 'TRIPLET_NOT_FOUND') });
    if (removed.removed === 0) throw new PairsError('TRIPLET_NOT_FOUND', 'there is no such pair');
    return context.json(removed);
  });
}

function datasetRoutes(app: Hono, pairs: Pairs, waitMs: number): void {
  const root = '/api/arena/datasets';
  app.get(root, async (context) => {
    const { items, nextCursor } = await pairs.listDatasets(whose(context), parse(pageQuery, context.req.query()));
    return context.json({ datasets: items, nextCursor });
  });
  app.post(root, async (context) => {
    const [tenant, author] = [whose(context), authorOf(context)];
    const wanted = parse(createDatasetSchema, await jsonBody(context.req.raw));
    return context.json(await pairs.createDataset(tenant, author, wanted), 201);
  });
  app.get(`${root}/:ref`, async (context) =>
    context.json(await pairs.getDataset(whose(context), inPath(context, 'ref', 'DATASET_NOT_FOUND'))),
  );
  app.get(`${root}/:ref/export`, async (context) => {
    const tenant = whose(context);
    const { format } = parse(exportQuery, context.req.query());
    // Refusals have a status as long as nothing was sent.
    const { id } = await pairs.exportable(tenant, inPath(context, 'ref', 'DATASET_NOT_FOUND'));
    return exportResponse(pairs, waitMs, (sink, signal) => pairs.exportDataset(tenant, id, format, sink, signal));
  });
}

/** Mounted beside the arena's other routes: it answers 404 for nothing but its own roots. */
export function pairsRoutes(pairs: Pairs, waitMs: number = readerWaitMs): Hono {
  const app = new Hono();
  tripletRoutes(app, pairs);
  datasetRoutes(app, pairs, waitMs);
  batchRoutes(app, pairs);
  labelRoutes(app, pairs);
  app.onError((error) => {
    const known = publicError(error, pairs);
    return Response.json(known.body, { status: known.status, headers: { 'cache-control': 'no-store' } });
  });
  app.notFound(() => {
    const missing = new PairsError('ROUTE_NOT_FOUND', 'there is no such route');
    return Response.json(missing.body, { status: missing.status });
  });
  return app;
}
