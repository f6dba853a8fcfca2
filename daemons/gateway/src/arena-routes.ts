/**
 * The arena's API for those who hold a key (verification AR20-AR23, gateway §3.2): relayed with tenant and key as headers
 * of ours. `POST /api/arena/runs` takes a chat request with its verification block and gives the run's events as they
 * come; a run's offer is made here, so that nobody can name another tenant in it.
 */
import type { Exchange } from '@labmesh/kit/http/exchange';
import { ApiError } from '@labmesh/wire/errors';
import { type Access, authenticate, type Identity, keyIdOf, requireScope, tenantOf } from './access/authenticate.ts';
import type { ArenaRequest } from './arena/arena-client.ts';
import { relayArena } from './arena/relay-arena.ts';
import { runRequest, type RunRequestParts } from './arena/run-request.ts';
import { replyError } from './reply.ts';
import type { Verification } from './verification/verification.ts';

export type ArenaRouteParts = RunRequestParts & {
  access: Access;
  verification: Verification;
  isDraining: () => boolean;
};

/** No dots alone, nothing percent-encoded: what a server could read as another path is none of these. */
const plainPath = /^\/api\/arena(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~@:-]{1,200}){0,8}$/;
const certificatePath = /^\/v1\/certificates\/([A-Za-z0-9._:-]{1,128})$/;
const plainQuery = /^[\x21-\x7e]{0,2048}$/;
/** Beside runs: what asks models in the name of the key. */
const generating: ReadonlySet<string> = new Set([
  '/api/arena/verify',
  '/api/arena/judges/check',
  '/api/arena/judges/tune',
]);
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** Whether a path belongs here. */
export const isArenaPath = (path: string): boolean =>
  path === '/api/arena' || path.startsWith('/api/arena/') || path.startsWith('/v1/certificates/');

/** Answers a route of the arena. @throws ApiError before an answer begins */
export async function serveArena(parts: ArenaRouteParts, exchange: Exchange, requestId: string): Promise<void> {
  const identity = authenticate(exchange, parts.access);
  requireScope(identity, 'verify');
  try {
    await relayed(parts, identity, exchange, requestId);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 503 || !exchange.path.startsWith('/api/')) throw error;
    replyError(exchange, requestId, error, { headers: [], body: unavailableBody(parts, identity, error) });
  }
}

/** As the first version of this API said it (AR23). Without keys whoever asks is on this machine, and runs it. */
const unavailableBody = ({ verification }: ArenaRouteParts, { type }: Identity, { message, code }: ApiError) => ({
  error: 'Gateway unavailable',
  message,
  code,
  gatewayEndpoint: (type === 'open' && verification.arena?.address) || null,
});

/** @throws ApiError before an answer begins */
async function relayed(
  parts: ArenaRouteParts,
  identity: Identity,
  exchange: Exchange,
  requestId: string,
): Promise<void> {
  // The arena generates for it.
  if (generating.has(exchange.path)) requireScope(identity, 'chat');
  if (parts.isDraining()) throw new ApiError('draining');
  const { arena, kept } = parts.verification;
  const path = arenaPath(exchange);
  if (arena === undefined) throw new ApiError('verification_unavailable', { message: 'this gateway has no arena' });
  const tenant = tenantOf(identity);
  const whose = { tenant, key: keyIdOf(identity), requestId };
  const isRun = path === '/api/arena/runs' && exchange.method === 'POST';
  const request = isRun
    ? { ...whose, ...(await runRequest(parts, identity, exchange)) }
    : { ...whose, ...(await plainRequest(exchange, path)) };
  // Suites and settings decide what is valid: what was found valid before is not taken for granted after a change.
  if (isRun || exchange.method === 'GET' || exchange.method === 'HEAD') return relayArena(arena, request, exchange);
  kept.forget(tenant);
  await relayArena(arena, request, exchange);
  // What was found between the first time and the change.
  kept.forget(tenant);
}

/** The path below the arena's address. @throws ApiError unknown_route, method_not_allowed, bad_request */
function arenaPath(exchange: Exchange): string {
  const { path, method, query } = exchange;
  const certificate = certificatePath.exec(path)?.[1];
  if (certificate !== undefined && /^\.+$/.test(certificate)) throw new ApiError('unknown_route');
  if (certificate === undefined && !plainPath.test(path)) {
    throw new ApiError('unknown_route', { message: `there is no route ${path.slice(0, 100)}` });
  }
  if (!methods.has(method) || (certificate !== undefined && method !== 'GET' && method !== 'HEAD'))
    throw new ApiError('method_not_allowed');
  if (!plainQuery.test(query)) throw new ApiError('bad_request', { message: 'the query is too long or not plain' });
  return certificate === undefined ? path : `/api/arena/certificates/${certificate}`;
}

async function plainRequest(
  exchange: Exchange,
  path: string,
): Promise<Pick<ArenaRequest, 'method' | 'path' | 'contentType' | 'accept' | 'body'>> {
  const { method, query } = exchange;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return {
    method,
    path: query === '' ? path : `${path}?${query}`,
    accept: exchange.header('accept'),
    ...(hasBody && { body: await exchange.body(), contentType: exchange.header('content-type') }),
  };
}
