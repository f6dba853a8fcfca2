import type { Exchange, Handler } from '@labmesh/kit/http/exchange';
import { ApiError } from '@labmesh/wire/errors';
import { cleanRequestId } from '@labmesh/wire/ids';
import { PublishedFiles } from './published/published-files.ts';
import { type AdminParts, serveAdmin } from './admin-routes.ts';
import { type InferenceParts, inferenceRoutes, serveInference } from './inference-route.ts';
import { LiveHub, livePathOfGateway } from './live/live-hub.ts';
import { type ReadingParts, serveReading } from './reading-routes.ts';
import { replyError } from './reply.ts';
import { type ArenaRouteParts, isArenaPath, serveArena } from './arena-routes.ts';

/** Built once by the gateway; nothing here changes while it runs but the answers of the two functions. */
export type HandlerParts = ReadingParts & {
  inference: InferenceParts;
  admin: AdminParts;
  arena: ArenaRouteParts;
};

/** `shutDown` ends what would never end by itself. */
export type GatewayHandler = { handler: Handler; shutDown: () => void };

/** Routes one request. Everything it throws becomes an answer in OpenAI's form. */
export function gatewayHandler(parts: HandlerParts): GatewayHandler {
  const published = new PublishedFiles();
  const live = new LiveHub(parts.arena);
  const handler: Handler = (exchange) => {
    const requestId = cleanRequestId(exchange.header('x-request-id'));
    const route = inferenceRoutes.get(exchange.path);
    if (route !== undefined && exchange.method === 'POST') {
      if (parts.isDraining()) return replyError(exchange, requestId, new ApiError('draining'));
      return serveInference(parts.inference, route, exchange, requestId);
    }
    return serveRest(parts, { published, live }, exchange, requestId);
  };
  return { handler, shutDown: () => live.shutDown() };
}

type Kept = { published: PublishedFiles; live: LiveHub };

/** Everything that is no relayed request: small answers, no hot path. */
async function serveRest(
  parts: HandlerParts,
  { published, live }: Kept,
  exchange: Exchange,
  requestId: string,
): Promise<void> {
  try {
    if (published.has(exchange.path)) {
      return await published.serve(parts.arena.verification.arena, exchange, requestId);
    }
    if (exchange.path === livePathOfGateway) return live.serve(exchange, requestId);
    if (exchange.path.startsWith('/admin/')) return await serveAdmin(parts.admin, exchange, requestId);
    if (isArenaPath(exchange.path)) return await serveArena(parts.arena, exchange, requestId);
    if (inferenceRoutes.has(exchange.path))
      throw new ApiError('method_not_allowed', { message: `${exchange.path} takes POST` });
    serveReading(parts, exchange, requestId);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    replyError(exchange, requestId, error);
  }
}
