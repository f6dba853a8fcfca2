/** What can be read of a gateway: its health, readiness, metrics and models. None of it touches an endpoint. */
import type { Exchange } from '@labmesh/kit/http/exchange';
import { isLoopback } from '@labmesh/kit/http/listen-address';
import { metricsContentType } from '@labmesh/kit/metrics';
import { ApiError } from '@labmesh/wire/errors';
import { authenticate, refuseBrowserPages, requireScope } from './access/authenticate.ts';
import type { InferenceParts } from './inference-route.ts';
import { replyJson } from './reply.ts';
import { type ModelRow, openaiModel, openaiModelList } from './served-models.ts';

export type ReadingParts = {
  /** The same access, metrics and default model as requests are relayed with. */
  inference: Pick<InferenceParts, 'access' | 'defaultModel' | 'metrics'>;
  models: () => ModelRow[];
  isDraining: () => boolean;
};

const healthPaths = new Set(['/health', '/healthz', '/livez']);
const readyPaths = new Set(['/ready', '/readyz']);
// Known routes of the OpenAI and Anthropic APIs that this version does not have: 501 tells more than 404.
const notSupported =
  /^\/v1\/(files|batches|realtime|conversations|responses|messages|audio|images|rerank|score|assistants|threads|fine_tuning|moderations|uploads|vector_stores)(\/|$)/;

/** @throws ApiError for a route that is not there, or not in this version */
export function serveReading(parts: ReadingParts, exchange: Exchange, requestId: string): void {
  const { path, method } = exchange;
  const known =
    path === '/metrics' ||
    path === '/v1/models' ||
    path.startsWith('/v1/models/') ||
    healthPaths.has(path) ||
    readyPaths.has(path);
  if (!known) {
    if (notSupported.test(path))
      throw new ApiError('not_supported', { message: `${path.slice(0, 100)} is not supported in this version` });
    throw new ApiError('unknown_route', {
      message: `there is no route ${path.slice(0, 100)}; clients use the base URL ending in /v1`,
    });
  }
  if (method !== 'GET' && method !== 'HEAD')
    throw new ApiError('method_not_allowed', { message: `${path.slice(0, 100)} takes GET` });
  if (healthPaths.has(path)) return replyJson(exchange, 200, requestId, { status: 'ok' });
  if (readyPaths.has(path)) return serveReady(parts, exchange, requestId);
  if (path === '/metrics') return serveMetrics(parts, exchange, requestId);
  serveModels(parts, exchange, requestId);
}

/** 503 with reasons while no model, or not the default one, can be served. */
function serveReady(parts: ReadingParts, exchange: Exchange, requestId: string): void {
  const wanted = parts.inference.defaultModel;
  const servable = parts.models().filter((row) => row.servable);
  const reasons: string[] = [];
  if (parts.isDraining()) reasons.push('draining');
  if (wanted === undefined ? servable.length === 0 : !servable.some((row) => row.id === wanted)) {
    reasons.push(wanted === undefined ? 'no model can be served now' : 'the default model cannot be served now');
  }
  replyJson(exchange, reasons.length === 0 ? 200 : 503, requestId, {
    status: reasons.length === 0 ? 'ready' : 'not_ready',
    reasons,
  });
}

/** Open on loopback, where the scraper of the same machine sits; elsewhere a key with the scope. */
function serveMetrics(parts: ReadingParts, exchange: Exchange, requestId: string): void {
  if (isLoopback(exchange.peer) && exchange.header('authorization') === undefined) refuseBrowserPages(exchange);
  else requireScope(authenticate(exchange, parts.inference.access), 'metrics');
  exchange.reply(
    200,
    [
      ['content-type', metricsContentType],
      ['x-request-id', requestId],
    ],
    parts.inference.metrics.render(),
  );
}

/** The list, or one model: an id may hold slashes, so it is the rest of the path. */
function serveModels(parts: ReadingParts, exchange: Exchange, requestId: string): void {
  requireScope(authenticate(exchange, parts.inference.access), 'models');
  const rows = parts.models();
  if (exchange.path === '/v1/models') return replyJson(exchange, 200, requestId, openaiModelList(rows));
  let id = exchange.path.slice('/v1/models/'.length);
  try {
    id = decodeURIComponent(id);
  } catch {
    // Not percent-encoding: taken as it stands.
  }
  const row = rows.find((candidate) => candidate.id === id);
  if (row === undefined) throw new ApiError('model_not_found', { param: 'model' });
  replyJson(exchange, 200, requestId, openaiModel(row));
}
