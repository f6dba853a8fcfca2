/** The operator's routes. Only here do endpoint addresses appear. */
import { loadOf } from '@labmesh/inference/load/load';
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';
import type { Clock } from '@labmesh/kit/clock';
import type { Exchange } from '@labmesh/kit/http/exchange';
import {
  type EndpointRow,
  type GatewayStatus,
  tenantField,
  type UsageRow,
  type VerificationModeSet,
} from '@labmesh/wire/admin';
import { ApiError } from '@labmesh/wire/errors';
import { requireAdmin, requireOperator } from './access/authenticate.ts';
import { createKey, editKey, type KeyParts, keyRows, revokeKey } from './access/key-admin.ts';
import { replyJson } from './reply.ts';
import { servedModel, servedModels } from './served-models.ts';
import type { ModelResolver } from './resolve.ts';

export type AdminParts = KeyParts & {
  /** Of this run only; kept in the data folder's run.json. */
  adminToken: string;
  registry: Registry;
  resolver: ModelResolver;
  clock: Clock;
  status: () => GatewayStatus;
  drain: () => { inFlight: number; graceS: number };
  /** How answers are verified that nothing else has a mode for. @throws ApiError */
  setMode: (word: string) => VerificationModeSet;
  /** Forgets verified answers, of all tenants or of one; gives how many. */
  clearCache: (tenant: string | undefined) => number;
};

/** An endpoint as the operator sees it, address and reason included. */
function endpointRow(endpoint: Endpoint, now: number): EndpointRow {
  const { spec, gauges } = endpoint;
  return {
    name: spec.name,
    kind: endpoint.kind,
    ...(endpoint.version === undefined ? {} : { version: endpoint.version }),
    url: spec.baseUrl,
    origin: spec.origin,
    state: endpoint.state,
    ...(endpoint.reason === undefined ? {} : { reason: endpoint.reason }),
    models: [...endpoint.models.keys()],
    inFlight: endpoint.own,
    capacity: spec.maxConcurrent > 0 ? spec.maxConcurrent : endpoint.capacity,
    capacityHard: endpoint.capacityHard || spec.maxConcurrent > 0,
    load: Math.round(loadOf(endpoint, now) * 1000) / 1000,
    ...(gauges?.waiting === undefined ? {} : { waiting: gauges.waiting }),
    ...(endpoint.lastChecked > 0 ? { checkedAgoMs: Math.max(0, Math.round(now - endpoint.lastChecked)) } : {}),
  };
}

/** @throws ApiError invalid_type for another grouping. */
async function usageRows(parts: AdminParts, query: string): Promise<UsageRow[]> {
  const by = new URLSearchParams(query).get('by') ?? 'key';
  if (by !== 'key' && by !== 'model')
    throw new ApiError('invalid_type', { param: 'by', message: "'by' must be key or model" });
  return (await parts.meter.by(by)).map((row) => ({ by, ...row }));
}

/** @throws ApiError invalid_value for what cannot be a tenant: nothing is forgotten then. */
function clearCache(parts: AdminParts, query: string, by: object): { cleared: number } {
  const given = new URLSearchParams(query).get('tenant') ?? undefined;
  const tenant = tenantField.optional().safeParse(given);
  if (!tenant.success)
    throw new ApiError('invalid_value', { param: 'tenant', message: "'tenant' is no name of a tenant" });
  const cleared = parts.clearCache(tenant.data);
  parts.log.info('verified answers were forgotten', { cleared, ...(given !== undefined && { tenant: given }), ...by });
  return { cleared };
}

/** Routes whose last part is a name. */
const named = /^(\/admin\/(?:keys|mode))\/([0-9A-Za-z_-]{1,64})$/;

const setModeRoute = 'POST /admin/mode/{}';
/** What keys with `arena:operate` may do, too. */
const operatorRoutes: ReadonlySet<string> = new Set([setModeRoute, 'POST /admin/clear-cache', 'DELETE /admin/cache']);

async function serveOperator(
  parts: AdminParts,
  exchange: Exchange,
  route: string,
  name: string,
  requestId: string,
): Promise<void> {
  const keyId = requireOperator(exchange, parts.adminToken, parts.keys);
  const by = keyId === undefined ? {} : { key_id: keyId };
  if (route !== setModeRoute) return replyJson(exchange, 200, requestId, clearCache(parts, exchange.query, by));
  const set = parts.setMode(name);
  parts.log.info('the mode of verification was changed', { ...set, ...by });
  return replyJson(exchange, 200, requestId, set);
}

/** Answers a route below /admin. Throws ApiError. */
export async function serveAdmin(parts: AdminParts, exchange: Exchange, requestId: string): Promise<void> {
  const [, folder, name = ''] = named.exec(exchange.path) ?? [];
  const route = `${exchange.method} ${folder === undefined ? exchange.path : `${folder}/{}`}`;
  if (operatorRoutes.has(route)) return serveOperator(parts, exchange, route, name, requestId);
  requireAdmin(exchange, parts.adminToken);
  const reply = (value: unknown, status = 200) => replyJson(exchange, status, requestId, value);
  switch (route) {
    case 'GET /admin/status':
      return reply(parts.status());
    case 'GET /admin/endpoints':
      return reply({ endpoints: parts.registry.endpoints.map((endpoint) => endpointRow(endpoint, parts.clock.now())) });
    case 'GET /admin/models':
      return reply({
        models: servedModels(parts.registry, parts.resolver).map(servedModel),
      });
    case 'GET /admin/keys':
      return reply({ keys: await keyRows(parts) });
    case 'POST /admin/keys':
      return reply(await createKey(parts, exchange), 201);
    case 'PATCH /admin/keys/{}':
      return reply(await editKey(parts, name, exchange));
    case 'DELETE /admin/keys/{}':
      return reply(await revokeKey(parts, name));
    case 'GET /admin/usage':
      return reply({ usage: await usageRows(parts, exchange.query) });
    case 'POST /admin/drain':
      return reply({ state: 'draining', ...parts.drain() }, 202);
    default:
      throw new ApiError('unknown_route', {
        message: `there is no admin route ${exchange.method} ${exchange.path.slice(0, 100)}`,
      });
  }
}
