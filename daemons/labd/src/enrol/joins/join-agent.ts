/** How a machine joins, inside the transaction of enroll.ts: decide (join-decision.ts), write, issue. */
import type { Writer } from '@labmesh/store/store';
import type { TokenUsesTable } from '@labmesh/store/tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import { revokeCertificates } from '../../login/end-logins.ts';
import { type AgentPlace, issueToAgent, pendingState, waitForApproval } from '../agent-certificates.ts';
import { decideJoin, type JoinDecision } from './join-decision.ts';
import type { Joined, Joining, JoinParts } from './joining.ts';
import { repeatIssued } from '../repeat-issued.ts';
import { knownServers, writeServer } from '../server-rows.ts';
import { scopeOf } from '../tokens/token-rows.ts';
import { writeUse } from '../tokens/token-use.ts';

/** @throws FleetError SERVER_EXISTS, BANNED, CONFLICT (another identity's key). */
export async function joinAgent(tx: Writer, parts: JoinParts, joining: Joining): Promise<Joined> {
  const { request, token, now } = joining;
  const scope = scopeOf(token);
  const decision = decideJoin(request, await knownServers(tx, request, now), scope);
  if (decision.kind === 'refused') {
    const hint = 'delete its agent first, or use a token with takeover or approve';
    throw new FleetError(decision.code, decision.code === 'SERVER_EXISTS' ? { hint } : {});
  }
  if (decision.kind === 'pending') return await putDown(tx, decision, joining);
  const place = await placeOf(tx, decision.kind === 'fresh' ? undefined : decision.server, joining);
  if (decision.kind === 'takeover') await endEarlier(tx, parts, place, joining);
  return await complete(tx, parts, place, joining, decision.kind);
}

/** Server and agent rows of a machine that comes in. */
async function placeOf(
  tx: Writer,
  known: { serverId: string; agentId: string | null } | undefined,
  joining: Joining,
): Promise<AgentPlace> {
  const { request, token, sourceIp: ip, now } = joining;
  const stored = { status: 'active', machineId: request.machineId, ip, scope: scopeOf(token), now } as const;
  const serverId = await writeServer(tx, request, known?.serverId, stored);
  const agentId = known?.agentId ?? (await insertAgent(tx, serverId, joining));
  return { agentId, serverId, hostname: request.hostname };
}

async function insertAgent(tx: Writer, serverId: string, { request, csr, now }: Joining): Promise<string> {
  const id = uuidv7();
  const empty = { ring: null, pin: null, bundle: null, approved_at: null, pending_csr: null };
  const row = { id, created_at: now, server_id: serverId, version: request.agentVersion, bad_versions: '[]', ...empty };
  await tx
    .insertInto('agents')
    .values({ ...row, key_hash: csr.keyHash })
    .execute();
  return id;
}

/** Whoever held the identity before is out at once; a key that comes again keeps its certificate. */
async function endEarlier(tx: Writer, parts: JoinParts, place: AgentPlace, { csr, now }: Joining): Promise<void> {
  const agent = { kind: 'agent', id: place.agentId };
  await revokeCertificates(tx, parts.denials, agent, {
    now,
    reason: 'taken over by a join token',
    keepKey: csr.keyHash,
  });
}

async function complete(
  tx: Writer,
  parts: JoinParts,
  place: AgentPlace,
  joining: Joining,
  how: 'fresh' | 'rejoin' | 'takeover' | 'approved',
): Promise<Joined> {
  const { request, csr, issuedBy, now, token } = joining;
  const issued = await issueToAgent(tx, parts.authority, place, {
    csr,
    issuedBy,
    now,
    ttlMs: parts.ttl.agentMs,
    version: request.agentVersion,
  });
  return { state: 'issued', type: 'server', place, issued, how, tokenPrefix: token.prefix };
}

/**
 * Writes a join down for an operator. A known server stays as it is until then: what the newcomer says of itself, host
 * name included, is taken over only when it was let in.
 */
async function putDown(
  tx: Writer,
  { server, isTwin }: Extract<JoinDecision, { kind: 'pending' }>,
  joining: Joining,
): Promise<Joined> {
  const { request, token, sourceIp: ip, now } = joining;
  const machineId = isTwin ? null : request.machineId;
  const stored = { status: 'waiting-approval', machineId, ip, scope: scopeOf(token), now } as const;
  const serverId = server?.serverId ?? (await writeServer(tx, request, undefined, stored));
  const agentId = server?.agentId ?? (await insertAgent(tx, serverId, joining));
  // Nobody else holds the place, so the server itself waits.
  if (server?.agentId === null)
    await tx.updateTable('servers').set({ status: 'waiting-approval' }).where('id', '=', serverId).execute();
  const place = { agentId, serverId, hostname: server?.hostname ?? request.hostname };
  await waitForApproval(tx, place, { csr: joining.csr, now });
  return { state: 'waiting', place };
}

/**
 * The answer to a token and key that came before: the same certificate, or how the waiting stands. Undefined when that
 * is too long ago, or an operator sent the waiting one away: then it is a new try.
 * @throws FleetError REVOKED, BANNED.
 */
export async function repeatJoin(
  tx: Writer,
  parts: JoinParts,
  use: TokenUsesTable,
  joining: Joining,
): Promise<Joined | undefined> {
  if (use.serial !== '') return await repeatIssued(tx, parts, use, joining);
  const agent = await tx
    .selectFrom('agents')
    .innerJoin('servers', 'servers.id', 'agents.server_id')
    .selectAll('agents')
    .select(['servers.hostname', 'servers.machine_id', 'servers.status'])
    .where('agents.server_id', '=', use.server_id)
    .executeTakeFirst();
  if (agent === undefined) return undefined;
  if (agent.status === 'banned') throw new FleetError('BANNED');
  const place = { agentId: agent.id, serverId: agent.server_id, hostname: agent.hostname };
  const state = pendingState(agent, joining.csr.keyHash);
  if (state === 'none' || state === 'other') return undefined;
  if (state === 'waiting') return { state, place };
  return await letIn(tx, parts, { ...place, machineId: agent.machine_id }, use, joining);
}

/** An operator said yes: the newcomer takes its place now, by the key that was approved. */
async function letIn(
  tx: Writer,
  parts: JoinParts,
  place: AgentPlace & { machineId: string | null },
  use: TokenUsesTable,
  joining: Joining,
): Promise<Joined> {
  const { request, token, sourceIp: ip, csr, now } = joining;
  const others = (await knownServers(tx, request, now)).filter((other) => other.serverId !== place.serverId);
  // A twin never gets the machine id, which is another's.
  const isTwin = others.some((other) => other.machineId === request.machineId);
  if (others.some((other) => other.hostname === request.hostname)) throw new FleetError('SERVER_EXISTS');
  const machineId = isTwin ? place.machineId : request.machineId;
  await writeServer(tx, request, place.serverId, { status: 'active', machineId, ip, scope: scopeOf(token), now });
  await endEarlier(tx, parts, place, joining);
  const joined = await complete(tx, parts, { ...place, hostname: request.hostname }, joining, 'approved');
  const serial = joined.state === 'issued' ? joined.issued.serial : '';
  await writeUse(tx, { tokenId: token.id, keyHash: csr.keyHash, serverId: use.server_id, serial }, now);
  return joined;
}
