/** What operators decide about agents: let in, send away, retire (CA-7, CA-9). Bans are ban.ts. */
import type { Clock } from '@labmesh/kit/clock';
import { parseCsr } from '@labmesh/pki/csr';
import type { Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Caller } from '../login/caller.ts';
import { type Denials, revokeCertificates } from '../login/end-logins.ts';
import type { AgentPlace } from './agent-certificates.ts';
import { type AgentRow, findAgent, writeEvent } from './server-rows.ts';

export type LifecycleParts = { store: Store; clock: Clock; denials: Denials; trustDomain: string };

type FoundAgent = AgentRow & { hostname: string; status: string };

const placeOf = (agent: FoundAgent): AgentPlace => ({
  agentId: agent.id,
  serverId: agent.server_id,
  hostname: agent.hostname,
});

/** Events name the server. */
const eventOf = (place: AgentPlace) => ({ id: place.serverId, hostname: place.hostname });

/**
 * Lets the waiting request of an agent in: its next try, with the very key that waits, gets the certificate. `revision`
 * is what the operator looked at: a request that came since is not what they approve.
 * @throws FleetError NOT_FOUND, CONFLICT (nothing waits), STALE_REVISION, BANNED.
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
    if (agent.pending_csr === null)
      throw new FleetError('CONFLICT', { message: 'this agent does not wait for approval' });
    if (revision !== undefined && revision !== agent.revision) throw new FleetError('STALE_REVISION');
    if (agent.status === 'banned') throw new FleetError('BANNED');
    const now = clock.wall();
    await tx
      .updateTable('agents')
      .set((row) => ({ approved_at: now, revision: row('revision', '+', 1) }))
      .where('id', '=', agent.id)
      .execute();
    const { keyHash } = parseCsr(agent.pending_csr);
    await writeEvent(tx, 'server-approved', eventOf(placeOf(agent)), { keyHash }, now);
    return { ...placeOf(agent), keyHash };
  });
}

/** Ends an agent: its certificates are revoked, the machine may join again by token. @throws FleetError NOT_FOUND. */
export async function deleteAgent(caller: Caller, ref: string, parts: LifecycleParts): Promise<AgentPlace> {
  const { store, clock } = parts;
  return await store.write(caller.principal, async (tx) => {
    const agent = await findAgent(tx, ref);
    if (agent.status === 'banned') throw new FleetError('BANNED', { hint: `labctl unban server/${agent.hostname}` });
    const place = placeOf(agent);
    await endAgent(tx, parts.denials, place, clock.wall());
    // A server that only ever waited is nothing without its request.
    await tx
      .deleteFrom('servers')
      .where('id', '=', place.serverId)
      .where('status', '=', 'waiting-approval')
      .where('created_at', '=', agent.created_at)
      .execute();
    return place;
  });
}

async function endAgent(tx: Writer, denials: Denials, place: AgentPlace, now: number): Promise<void> {
  const agent = { kind: 'agent', id: place.agentId };
  await revokeCertificates(tx, denials, agent, { now, reason: 'agent deleted' });
  await tx.deleteFrom('agent_sessions').where('agent_id', '=', place.agentId).execute();
  await tx.deleteFrom('agents').where('id', '=', place.agentId).execute();
  await writeEvent(tx, 'agent-deleted', eventOf(place), {}, now);
}

/** Retires a server: its agent ends, the row stays for history. A token brings it back. @throws FleetError NOT_FOUND. */
export async function retireServer(
  caller: Caller,
  ref: string,
  parts: LifecycleParts,
): Promise<{ serverId: string; hostname: string }> {
  const { store, clock } = parts;
  return await store.write(caller.principal, async (tx) => {
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
