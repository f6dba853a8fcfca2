/** What the Conplane is told of this node (network plane N6–N8): models and slugs, never an address. */
import type { Registry } from '@labmesh/inference/watch/registry';
import type { NodeCapabilities, NodeHeartbeatRequest, NodeInfo } from '@labmesh/wire/node';
import type { TunnelView } from '@labmesh/wire/tunnel';
import { shownModelId } from '../guard/shown-model-id.ts';
import type { LabmanMetrics } from '../labman-metrics.ts';
import type { SlugIndex } from '../slugs/slug-index.ts';

export type ReportParts = {
  registry: Registry;
  slugs: Pick<SlugIndex, 'entries'>;
  metrics: Pick<LabmanMetrics, 'totals'>;
  region: string | undefined;
  description: string | undefined;
  version: string;
  isDraining: () => boolean;
  tunnel: () => TunnelView | undefined;
};

const startedAt = performance.now();

export function nodeCapabilities({ registry, slugs }: Pick<ReportParts, 'registry' | 'slugs'>): NodeCapabilities {
  const models = new Map<string, NodeCapabilities['models'][number]>();
  const rows: NonNullable<NodeCapabilities['slugs']> = [];
  for (const { slug, endpoint, model } of slugs.entries()) {
    const { capacity, own, spec } = endpoint;
    const known = endpoint.models.get(model);
    const id = shownModelId(model);
    const context = known?.contextLength === undefined ? {} : { context_length: known.contextLength };
    const healthy = registry.usable(endpoint);
    const slots = { slots: capacity, slots_free: Math.max(0, capacity - own) };
    rows.push({ slug, tenant: spec.tenant, endpoint: spec.name, model_id: id, ...context, ...slots, healthy });
    if (healthy) models.set(id, { id, ...context });
  }
  return {
    models: [...models.values()],
    endpoint_count: registry.endpoints.length,
    max_concurrent_requests: registry.endpoints.reduce((sum, { capacity }) => sum + capacity, 0),
    supports_streaming: true,
    supports_chat: true,
    supports_completions: true,
    slugs: rows,
  };
}

export function nodeInfo(parts: ReportParts, id: string): NodeInfo {
  const { region, description, version } = parts;
  return {
    id,
    ...(region !== undefined && { region }),
    ...(description !== undefined && { description }),
    capabilities: nodeCapabilities(parts),
    version,
  };
}

/** The tunnel in a heartbeat: `pq` is true while it is proven, and never longer; nothing is where nothing passes (N9). */
function tunnelStatus(view: TunnelView | undefined): NonNullable<NodeHeartbeatRequest['tunnel']> {
  const hub = view?.peers[0];
  if (view === undefined || hub === undefined) return { state: 'down', pq: false, handshake_age_s: null };
  if (view.fault !== undefined) return { state: 'down', pq: false, handshake_age_s: hub.handshakeAgeS };
  const state = hub.handshakeAgeS !== null && hub.handshakeAgeS < 180 ? 'up' : 'connecting';
  const { nextWireguardPublicKey: next } = hub;
  const waiting = next === undefined ? {} : { next_wireguard_public_key: next };
  return { state, pq: hub.pq === 'active', handshake_age_s: hub.handshakeAgeS, ...waiting };
}

export function nodeHeartbeat(parts: ReportParts, nodeId: string): NodeHeartbeatRequest {
  const { registry, metrics, isDraining, tunnel } = parts;
  const { endpoints } = registry;
  const healthy = endpoints.filter((endpoint) => registry.usable(endpoint)).length;
  const view = tunnel();
  const told = tunnelStatus(view);
  const isWhole = healthy === endpoints.length && told.state === 'up';
  return {
    node_id: nodeId,
    status: {
      node_id: nodeId,
      state: isDraining() ? 'stopping' : view?.fault !== undefined ? 'error' : isWhole ? 'running' : 'degraded',
      healthy_endpoints: healthy,
      total_endpoints: endpoints.length,
      active_requests: metrics.totals.active,
      total_requests: metrics.totals.requests,
      total_errors: metrics.totals.errors,
      uptime_seconds: Math.round((performance.now() - startedAt) / 1_000),
      timestamp: new Date().toISOString(),
      ...(view?.fault !== undefined && { error_message: view.fault }),
    },
    mode: isDraining() ? 'drain' : 'normal',
    tunnel: told,
    capabilities: nodeCapabilities(parts),
  };
}
