/**
 * Servers and agents as the API shows them: rows of the store, joined with what this replica's hub knows of the moment.
 * Lists are filtered by permission inside the query (AP-3).
 */
import { prepared } from '@labmesh/store/prepared';
import type { Reader, Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { updateStateField } from '@labmesh/wire/fleet/releases';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import type { Agent, Server, ServerStatus } from '@labmesh/wire/fleet/resources/servers';
import { type Expression, sql, type SqlBool } from 'kysely';
import { serverLabels } from '../access/condition.ts';
import type { AgentHub } from './agent-hub.ts';
import { readFacts } from './read-facts.ts';
import type { Replicas } from './replicas.ts';
import { serverStatus } from './server-status.ts';

const fleetQuery = (db: Reader) =>
  db
    .selectFrom('servers')
    .leftJoin('agents', 'agents.server_id', 'servers.id')
    .leftJoin('agent_sessions', 'agent_sessions.agent_id', 'agents.id')
    .selectAll('servers')
    .select([
      'agents.id as agentId',
      'agents.version as agentVersion',
      'agents.ring',
      'agents.pin',
      'agents.bad_versions',
      'agents.desired_version',
      'agents.previous_version',
      'agents.update_state',
      'agents.key_hash',
      'agents.bundle',
      'agents.approved_at',
      'agents.pending_csr',
      'agents.created_at as agentCreatedAt',
      'agents.revision as agentRevision',
      'agent_sessions.replica_id',
      'agent_sessions.connected_at',
    ]);
type FleetRow = Awaited<ReturnType<ReturnType<typeof fleetQuery>['execute']>>[number];
type LabelRow = { server_id: string; key: string; value: string; source: string };

/** One server with what access rules see of it. */
export type FleetServer = {
  row: FleetRow;
  status: ServerStatus;
  /** For rules: `Target.labels`. */
  targetLabels: Record<string, string>;
  labels: Record<string, string>;
};

export type FleetFilter = {
  where?: Expression<SqlBool>;
  environment?: string | undefined;
  cloud?: string | undefined;
  role?: string | undefined;
  status?: ServerStatus | undefined;
  q?: string | undefined;
  names?: readonly string[];
};
export type FleetPage = { items: FleetServer[]; nextCursor: string | null };

export class FleetView {
  readonly #store: Store;
  readonly #hub: AgentHub;
  readonly #replicas: Replicas;
  readonly #clock: Store['clock'];

  constructor(store: Store, hub: AgentHub, replicas: Replicas, clock: Store['clock']) {
    this.#store = store;
    this.#hub = hub;
    this.#replicas = replicas;
    this.#clock = clock;
  }

  /** One server by id or host name; undefined when there is none. */
  async find(principal: Principal, idOrName: string): Promise<FleetServer | undefined> {
    const name = idOrName.toLowerCase();
    const rows = await this.#store.read(principal, async (db) => {
      const [found] = await findIn(db, name);
      return found === undefined ? undefined : { found, labels: await labelsOfOne(db, { server: found.id }) };
    });
    return rows === undefined ? undefined : this.#fleetServer(rows.found, rows.labels);
  }

  /** The same. @throws FleetError NOT_FOUND. */
  async get(principal: Principal, idOrName: string): Promise<FleetServer> {
    const found = await this.find(principal, idOrName);
    if (found === undefined) throw new FleetError('NOT_FOUND');
    return found;
  }

  /**
   * A page in order of host names; the cursor is the last one. `status` is of the moment, so pages are read until enough
   * fit.
   */
  async page(principal: Principal, filter: FleetFilter, limit: number, cursor?: string): Promise<FleetPage> {
    const items: FleetServer[] = [];
    let after = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString();
    for (;;) {
      const from = after;
      const { rows, labels } = await this.#store.read(principal, async (db) => {
        const rows = await filtered(db, filter, from)
          .limit(limit + 1)
          .execute();
        return { rows, labels: await labelsOf(db, rows) };
      });
      for (const row of rows.slice(0, limit)) {
        after = row.hostname;
        const server = this.#fleetServer(row, labels);
        if (filter.status !== undefined && server.status !== filter.status) continue;
        items.push(server);
        if (items.length === limit) break;
      }
      const isLast = rows.length <= limit && after === rows.at(-1)?.hostname;
      if (rows.length === 0 || isLast) return { items, nextCursor: null };
      if (items.length === limit) return { items, nextCursor: Buffer.from(after ?? '').toString('base64url') };
    }
  }

  /** Every server of a filter; for `resolve` (at most 10,000). */
  async all(principal: Principal, filter: FleetFilter): Promise<FleetServer[]> {
    const found: FleetServer[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.page(principal, filter, 500, cursor);
      found.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && found.length < 10_000);
    return found;
  }

  #fleetServer(row: FleetRow, labels: readonly LabelRow[]): FleetServer {
    const own = labels.filter((label) => label.server_id === row.id);
    const silentMs = this.#hub.silentMs(row.id);
    const isElsewhere = row.replica_id !== null && this.#replicas.others().some((one) => one.id === row.replica_id);
    const isPending = row.pending_csr !== null && row.approved_at === null;
    const status = serverStatus({
      // A request that waits on a server whose old agent still lives changes no row of the server (JT-7).
      stored: row.status === 'active' && isPending ? 'waiting-approval' : row.status,
      silentMs,
      elsewhereMs: isElsewhere && row.last_seen_at !== null ? this.#clock.wall() - row.last_seen_at : undefined,
      heartbeatMs: this.#hub.heartbeatMs,
    });
    return {
      row,
      status,
      targetLabels: serverLabels(row, own),
      labels: Object.fromEntries(own.map(({ key, value }) => [key, value])),
    };
  }
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const byColumn = (column: 'servers.id' | 'agents.id' | 'servers.hostname') =>
  prepared<{ name: string }, FleetRow>((db, slot) => fleetQuery(db).where(column, '=', slot.name));
const byId = byColumn('servers.id');
const byAgent = byColumn('agents.id');
const byHostname = byColumn('servers.hostname');

/** By one key after the other: one condition over columns of two tables would read them all. */
async function findIn(db: Reader, name: string): Promise<FleetRow[]> {
  if (uuidPattern.test(name)) {
    const found = await byId(db, { name });
    if (found.length > 0) return found;
    const ofAgent = await byAgent(db, { name });
    if (ofAgent.length > 0) return ofAgent;
  }
  return byHostname(db, { name });
}

function filtered(db: Reader, filter: FleetFilter, after: string | undefined) {
  let query = fleetQuery(db).orderBy('servers.hostname');
  if (after !== undefined) query = query.where('servers.hostname', '>', after);
  if (filter.where !== undefined) query = query.where(filter.where);
  if (filter.names !== undefined) query = query.where('servers.hostname', 'in', [...filter.names]);
  for (const key of ['environment', 'cloud', 'role'] as const) {
    const value = filter[key];
    if (value !== undefined) query = query.where(`servers.${key}`, '=', value);
  }
  // Retired ones are history: shown only when asked for.
  if (filter.status !== 'retired') query = query.where('servers.status', '!=', 'retired');
  if (filter.q !== undefined) {
    const part = `%${filter.q.toLowerCase().replace(/[\\%_]/g, (letter) => `\\${letter}`)}%`;
    query = query.where(sql<SqlBool>`servers.hostname like ${part} escape '\\'`);
  }
  return query;
}

const labelsOfOne = prepared<{ server: string }, LabelRow>((db, slot) =>
  db.selectFrom('server_labels').selectAll().where('server_id', '=', slot.server),
);

async function labelsOf(db: Reader, rows: readonly { id: string }[]): Promise<LabelRow[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  return db.selectFrom('server_labels').selectAll().where('server_id', 'in', ids).execute();
}

/** The wire form of a server. */
export function showServer({ row, status, labels }: FleetServer): Server {
  const facts = readFacts(row.facts);
  return {
    id: row.id,
    hostname: row.hostname,
    status,
    environment: row.environment,
    cloud: row.cloud,
    role: row.role,
    ip: row.ip,
    macs: JSON.parse(row.macs) as string[],
    machineId: row.machine_id,
    labels,
    ...facts,
    agentVersion: row.agentVersion,
    lastSeenAt: timeTextOrNull(row.last_seen_at),
    createdAt: timeText(row.created_at),
    revision: row.revision,
  };
}

/** The wire form of its agent. @throws FleetError NOT_FOUND for a server without one. */
export function showAgent({ row, status, labels }: FleetServer): Agent {
  if (row.agentId === null || row.key_hash === null) throw new FleetError('NOT_FOUND');
  return {
    id: row.agentId,
    serverId: row.id,
    hostname: row.hostname,
    status,
    version: row.agentVersion,
    ring: row.ring ?? labels['ring'] ?? null,
    pin: row.pin,
    desiredVersion: row.desired_version,
    updateState: updateStateField.safeParse(row.update_state).data ?? null,
    badVersions: JSON.parse(row.bad_versions ?? '[]') as string[],
    keyHash: row.key_hash,
    bundle: row.bundle,
    replicaId: row.replica_id,
    connectedAt: timeTextOrNull(row.connected_at),
    approvedAt: timeTextOrNull(row.approved_at),
    lastSeenAt: timeTextOrNull(row.last_seen_at),
    createdAt: timeText(row.agentCreatedAt ?? row.created_at),
    revision: row.agentRevision ?? row.revision,
  };
}
