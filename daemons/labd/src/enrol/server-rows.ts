/** Servers, their labels and agents as enrolment reads and writes them. */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Reader, Writer } from '@labmesh/store/store';
import type { AgentsTable } from '@labmesh/store/tables';
import type { Enroll } from '@labmesh/wire/fleet/enrolment';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { TokenScope } from '@labmesh/wire/fleet/tokens';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { KnownServer } from './joins/join-decision.ts';

export type AgentRow = Selectable<AgentsTable>;

const macsSchema = z.array(z.string());
/** MACs that many machines have in common say nothing. */
const sharedMacs: readonly string[] = ['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'];
export const ownMacs = (macs: readonly string[]): string[] =>
  [...new Set(macs)].filter((mac) => !sharedMacs.includes(mac));

/** Heard of within this time counts as alive: 2.5 heartbeats, and 5 s until it is written (HB-8, HB-9). */
export const aliveMs = 30_000;

/** Servers that share machine id, host name or a MAC with the joiner. */
export async function knownServers(
  db: Reader,
  machine: Pick<Enroll, 'hostname' | 'machineId' | 'macs'>,
  now: number,
): Promise<KnownServer[]> {
  const rows = await db
    .selectFrom('servers')
    .leftJoin('agents', 'agents.server_id', 'servers.id')
    .select(['servers.id', 'servers.hostname', 'servers.status', 'servers.machine_id', 'servers.macs'])
    .select(['servers.last_seen_at', 'agents.id as agent_id'])
    .where((on) =>
      on.or([
        on('servers.hostname', '=', machine.hostname),
        on('servers.machine_id', '=', machine.machineId),
        // A MAC has no character that LIKE or JSON would read otherwise.
        ...ownMacs(machine.macs).map((mac) => on('servers.macs', 'like', `%"${mac}"%`)),
      ]),
    )
    .orderBy('servers.id')
    .execute();
  return rows.map((row) => ({
    serverId: row.id,
    hostname: row.hostname,
    status: row.status,
    machineId: row.machine_id,
    macs: macsSchema.parse(parseJson(row.macs)),
    agentId: row.agent_id,
    isAlive: row.last_seen_at !== null && row.last_seen_at + aliveMs > now,
  }));
}

export type ServerStored = { status: 'active' | 'waiting-approval'; machineId: string | null; ip: string };

/** Writes what the machine said of itself and what its token gives; a known row keeps what neither names. */
export async function writeServer(
  tx: Writer,
  machine: Enroll,
  known: string | undefined,
  stored: ServerStored & { scope: TokenScope; now: number },
): Promise<string> {
  const { scope, now, status, ip } = stored;
  const said = {
    hostname: machine.hostname,
    macs: JSON.stringify(ownMacs(machine.macs)),
    machine_id: stored.machineId,
    status,
    ip,
    retired_at: null,
    ...(status === 'active' && { last_seen_at: now }),
    ...(machine.facts !== undefined && { facts: JSON.stringify(machine.facts) }),
    ...(scope.environment !== null && { environment: scope.environment }),
    ...(scope.cloud !== null && { cloud: scope.cloud }),
    ...(scope.role !== null && { role: scope.role }),
  };
  const id = known ?? uuidv7();
  if (known === undefined) {
    const empty = { cloud: null, environment: null, role: null, facts: null, last_seen_at: null };
    await tx
      .insertInto('servers')
      .values({ id, created_at: now, ...empty, ...said })
      .execute();
  } else {
    const raised = tx.updateTable('servers').set((row) => ({ ...said, revision: row('revision', '+', 1) }));
    await raised.where('id', '=', id).execute();
  }
  const isNew = known === undefined;
  await writeLabels(tx, id, 'token', scope.labels, isNew);
  const reported = Object.entries(machine.labels ?? {});
  const facts = reported.map(([key, value]) => [key.startsWith('facts.') ? key : `facts.${key}`, value] as const);
  await writeLabels(tx, id, 'agent', Object.fromEntries(facts), isNew);
  return id;
}

/** Puts labels of one source in place of its earlier ones. Where an operator set the same key, that stays. */
async function writeLabels(
  tx: Writer,
  server_id: string,
  source: 'token' | 'agent',
  labels: Readonly<Record<string, string>>,
  isNew: boolean,
): Promise<void> {
  if (!isNew)
    await tx.deleteFrom('server_labels').where('server_id', '=', server_id).where('source', '=', source).execute();
  const rows = Object.entries(labels).map(([key, value]) => ({ server_id, key, value, source }));
  if (rows.length === 0) return;
  await tx
    .insertInto('server_labels')
    .values(rows)
    .onConflict((on) => on.columns(['server_id', 'key']).doNothing())
    .execute();
}

/** An agent by its id, or by the id or host name of its server. @throws FleetError NOT_FOUND. */
export async function findAgent(db: Reader, ref: string): Promise<AgentRow & { hostname: string; status: string }> {
  const row = await db
    .selectFrom('agents')
    .innerJoin('servers', 'servers.id', 'agents.server_id')
    .selectAll('agents')
    .select(['servers.hostname', 'servers.status'])
    .where((on) => on.or([on('agents.id', '=', ref), on('servers.id', '=', ref), on('servers.hostname', '=', ref)]))
    .executeTakeFirst();
  if (row === undefined) throw new FleetError('NOT_FOUND');
  return row;
}

/** Tells the event stream that somebody waits (2.2); the rest of a join is told by whoever answers it. */
export async function tellWaiting(
  tx: Writer,
  server: { serverId: string; hostname: string },
  keyHash: string,
  now: number,
): Promise<void> {
  const details = JSON.stringify({ hostname: server.hostname, keyHash });
  const row = { id: uuidv7(), created_at: now, type: 'server-waiting', resource: 'server', details };
  await tx
    .insertInto('events')
    .values({ ...row, resource_id: server.serverId })
    .execute();
}
