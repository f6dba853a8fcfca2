/** Nodes as rows and as the API shows them. */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Reader } from '@labmesh/store/store';
import type { NodesTable } from '@labmesh/store/plane-tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import type { FleetNode, FleetNodeDetail, NodeLiveness } from '@labmesh/wire/fleet/resources/nodes';
import { nodeModeField } from '@labmesh/wire/link/fields';
import { nodeCapabilitiesSchema, nodeStatusSchema } from '@labmesh/wire/node';
import type { Selectable } from 'kysely';
import type { CapabilitySizes } from './node-report.ts';

export type NodeRow = Selectable<NodesTable>;

const listedColumns = [
  'nodes.id',
  'nodes.created_at',
  'nodes.revision',
  'nodes.name',
  'nodes.tenant',
  'nodes.state',
  'nodes.last_seen_at',
  'nodes.region',
  'nodes.description',
  'nodes.version',
  'nodes.info',
  'nodes.status',
  'nodes.mode',
  'nodes.wireguard_public_key',
  'nodes.rosenpass_sha256',
  'nodes.registered_at',
] as const;
/** With the address of its live peer. */
type ListedNode = Omit<NodeRow, 'capabilities' | 'labels' | 'token_hash'> & { address: string | null };
export type NodeWithPeer = ListedNode & Pick<NodeRow, 'capabilities'>;

/** Multiples of `conplane.stale_s` after which a silent node is offline (H6: 30 s, 90 s). */
export const offlineStales = 3;

/** By when it was last heard. */
export function nodeLiveness(row: Pick<NodeRow, 'state' | 'last_seen_at'>, now: number, staleMs: number): NodeLiveness {
  if (row.state === 'banned') return 'banned';
  if (row.last_seen_at === null) return 'offline';
  const silentMs = now - row.last_seen_at;
  if (silentMs > offlineStales * staleMs) return 'offline';
  return silentMs > staleMs ? 'stale' : 'online';
}

const keptStatus = nodeStatusSchema.omit({ node_id: true });
const statusOf = (row: ListedNode) => keptStatus.safeParse(parseJson(row.status ?? 'null')).data;
const noSizes: CapabilitySizes = { models: 0, slugs: 0, endpoints: 0 };
const sizesOf = (row: ListedNode): CapabilitySizes =>
  (parseJson(row.info ?? 'null') as CapabilitySizes | null | undefined) ?? noSizes;

/** A node for lists; what it told stays text of its own. */
export function presentNode(row: ListedNode, now: number, staleMs: number): FleetNode {
  const status = statusOf(row);
  const sizes = sizesOf(row);
  return {
    id: row.id,
    name: row.name,
    status: nodeLiveness(row, now, staleMs),
    tenant: row.tenant,
    region: row.region,
    description: row.description,
    version: row.version,
    state: status?.state ?? null,
    mode: nodeModeField.safeParse(row.mode).data ?? null,
    error: status?.error_message ?? null,
    models: sizes.models,
    slugs: sizes.slugs,
    healthyEndpoints: status?.healthy_endpoints ?? 0,
    totalEndpoints: status?.total_endpoints ?? sizes.endpoints,
    activeRequests: status?.active_requests ?? 0,
    totalRequests: status?.total_requests ?? 0,
    totalErrors: status?.total_errors ?? 0,
    uptimeSeconds: status?.uptime_seconds ?? null,
    address: row.address,
    wireguardPublicKey: row.wireguard_public_key,
    rosenpassSha256: row.rosenpass_sha256,
    lastSeenAt: timeTextOrNull(row.last_seen_at),
    registeredAt: timeTextOrNull(row.registered_at),
    createdAt: timeText(row.created_at),
    revision: row.revision,
  };
}

/** One node with the ids of its models. */
export function presentDetail(row: NodeWithPeer, now: number, staleMs: number): FleetNodeDetail {
  const capabilities = nodeCapabilitiesSchema.safeParse(parseJson(row.capabilities ?? 'null')).data;
  return { ...presentNode(row, now, staleMs), modelIds: capabilities?.models.map(({ id }) => id) ?? [] };
}

/** Rows with the addresses of their peers, as lists read them: models by the thousand stay where they are. */
export const listedNodes = (db: Reader) =>
  db
    .selectFrom('nodes')
    .leftJoin('tunnel_peers', (on) =>
      on.onRef('tunnel_peers.node_id', '=', 'nodes.id').on('tunnel_peers.removed_at', 'is', null),
    )
    .select(listedColumns)
    .select('tunnel_peers.address');

/** By id or name; undefined when there is none. */
export const findNode = (db: Reader, ref: string): Promise<NodeWithPeer | undefined> =>
  listedNodes(db)
    .select('nodes.capabilities')
    .where((on) => on.or([on('nodes.id', '=', ref), on('nodes.name', '=', ref)]))
    .executeTakeFirst();

/** @throws FleetError NOT_FOUND. */
export async function getNode(db: Reader, ref: string): Promise<NodeWithPeer> {
  const row = await findNode(db, ref);
  if (row === undefined) throw new FleetError('NOT_FOUND');
  return row;
}

/** What a banned node hears. */
export const banned = (): FleetError =>
  new FleetError('BANNED', { message: 'this node is banned; `labctl unban node/<name>` lifts it' });
