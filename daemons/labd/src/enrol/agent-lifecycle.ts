/** What operators decide about agents: let in, send away, retire (CA-7, CA-9). Bans are ban.ts. */
import type { Clock } from '@labmesh/kit/clock';
import { parseCsr } from '@labmesh/pki/csr';
import type { Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Caller } from '../login/caller.ts';
import { type Denials, revokeCertificates, writeDenials } from '../login/end-logins.ts';
import type { AgentPlace } from './agent-certificates.ts';
import { type AgentRow, findAgent } from './server-rows.ts';

export type LifecycleParts = { store: Store; clock: Clock; denials: Denials; trustDomain: string };

type FoundAgent = AgentRow & { hostname: string; status: string };

const placeOf = (agent: FoundAgent): AgentPlace => ({
  agentId: agent.id,
  serverId: agent.server_id,
  hostname: agent.hostname,
});

/**
 * Lets the waiting request of an agent in: its next try, with the very key that waits, gets the certificate. `revision`
 * is what the operator looked at: a request that came since is not what they approve.
 * Also ends the state `conflict`. @throws FleetError NOT_FOUND, CONFLICT (nothing waits), STALE_REVISION, BANNED.
 */
export async function approveAgent(
  caller: Caller,
  ref: string,
  parts: LifecycleParts,
  revision?: number,
): Promise<AgentPlace & { keyHash: string }> {
  const { store, clock } = parts;
  return await store.write(caller.principal, async (tx) => {
    const agent = await findAgent(tx, ref);
    if (revision !== undefined && revision !== agent.revision) throw new FleetError('STALE_REVISION');
    if (agent.status === 'banned') throw new FleetError('BANNED');
    if (agent.pending_csr === null) return await endConflict(tx, agent);
    const now = clock.wall();
    await tx
      .updateTable('agents')
      .set((row) => ({ approved_at: now, revision: row('revision', '+', 1) }))
      .where('id', '=', agent.id)
      .execute();
    const { keyHash } = parseCsr(agent.pending_csr);
    return { ...placeOf(agent), keyHash };
  });
}

/** Two machines used one identity (HB-10): the operator has sorted it out. @throws FleetError CONFLICT: nothing waits. */
async function endConflict(tx: Writer, agent: FoundAgent): Promise<AgentPlace & { keyHash: string }> {
  if (agent.status !== 'conflict')
    throw new FleetError('CONFLICT', { message: 'this agent does not wait for approval' });
  await tx
    .updateTable('servers')
    .set((row) => ({ status: 'active', revision: row('revision', '+', 1) }))
    .where('id', '=', agent.server_id)
    .execute();
  return { ...placeOf(agent), keyHash: agent.key_hash };
}

/** Ends an agent: its certificates are revoked, the machine may join again by token. @throws FleetError NOT_FOUND. */
export async function deleteAgent(caller: Caller, ref: string, parts: LifecycleParts): Promise<AgentPlace> {
  const { clock } = parts;
  return await writeDenials(parts, caller.principal, async (tx) => {
    const agent = await findAgent(tx, ref);
    if (agent.status === 'banned') throw new FleetError('BANNED', { hint: `labctl unban server/${agent.hostname}` });
    const place = placeOf(agent);
    await endAgent(tx, parts.denials, place, clock.wall());
    // A server that only ever waited is nothing without its request.
    if (await hasNeverJoined(tx, agent)) await tx.deleteFrom('servers').where('id', '=', place.serverId).execute();
    return place;
  });
}

/** The row was made for the request that waits, and nothing was ever issued to it. */
async function hasNeverJoined(tx: Writer, agent: FoundAgent): Promise<boolean> {
  if (agent.status !== 'waiting-approval') return false;
  const { created_at } = await tx
    .selectFrom('servers')
    .select('created_at')
    .where('id', '=', agent.server_id)
    .executeTakeFirstOrThrow();
  const issued = await tx
    .selectFrom('certificates')
    .select('id')
    .where('kind', '=', 'agent')
    .where('subject_id', '=', agent.id)
    .executeTakeFirst();
  return issued === undefined && created_at === agent.created_at;
}

async function endAgent(tx: Writer, denials: Denials, place: AgentPlace, now: number): Promise<void> {
  const agent = { kind: 'agent', id: place.agentId };
  await revokeCertificates(tx, denials, agent, { now, reason: 'agent deleted' });
  await tx.deleteFrom('agent_sessions').where('agent_id', '=', place.agentId).execute();
  await tx.deleteFrom('agents').where('id', '=', place.agentId).execute();
}

/** Retires a server: its agent ends, the row stays for history. A token brings it back. @throws FleetError NOT_FOUND. */
export async function retireServer(
  caller: Caller,
  ref: string,
  parts: LifecycleParts,
): Promise<{ serverId: string; hostname: string }> {
  const { clock } = parts;
  return await writeDenials(parts, caller.principal, async (tx) => {
    const { id: serverId, hostname, status } = await findServer(tx, ref);
    // The ban is on the row: without it the machine could join under the same name.
    if (status === 'banned') throw new FleetError('BANNED', { hint: `labctl unban server/${hostname}` });
    const now = clock.wall();
    const agent = await tx.selectFrom('agents').select('id').where('server_id', '=', serverId).executeTakeFirst();
    if (agent !== undefined) await endAgent(tx, parts.denials, { agentId: agent.id, serverId, hostname }, now);
    await tx
      .updateTable('servers')
      .set((row) => ({ status: 'retired', retired_at: now, revision: row('revision', '+', 1) }))
      .where('id', '=', serverId)
      .execute();
    return { serverId, hostname };
  });
}

/** A server by id or host name. @throws FleetError NOT_FOUND. */
export async function findServer(tx: Writer, ref: string) {
  const server = await tx
    .selectFrom('servers')
    .select(['id', 'hostname', 'status', 'machine_id'])
    .where((on) => on.or([on('id', '=', ref), on('hostname', '=', ref)]))
    .executeTakeFirst();
  if (server === undefined) throw new FleetError('NOT_FOUND');
  return server;
}
