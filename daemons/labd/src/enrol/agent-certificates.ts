/**
 * Certificates of agents, by whichever way they come: token, renewal, re-enrolment. One place keeps `agents.key_hash`
 * (the last key issued, which CA-7 asks for) and the request that waits for an operator.
 *
 *     no request ─ wait() → waiting: pending_csr, approved_at null ─ approve → approved ─ issue() for that key → none
 */
import { type Csr, parseCsr } from '@labmesh/pki/csr';
import type { Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { Issued } from '../ca/authority.ts';
import type { LeafSource } from '../login/user-certificates.ts';
import { refuseDenied } from './denied.ts';
import { type AgentRow, tellWaiting } from './server-rows.ts';

export type AgentPlace = { agentId: string; serverId: string; hostname: string };
export type AgentRequest = { csr: Csr; issuedBy: Principal; now: number };

/** How the agent's waiting request stands towards this key. */
export type PendingState = 'none' | 'other' | 'waiting' | 'approved';

export function pendingState(agent: Pick<AgentRow, 'pending_csr' | 'approved_at'>, keyHash: string): PendingState {
  if (agent.pending_csr === null) return 'none';
  if (parseCsr(agent.pending_csr).keyHash !== keyHash) return 'other';
  return agent.approved_at === null ? 'waiting' : 'approved';
}

/** What the agent hears while it waits; it asks again with the same key. */
export const waitingApproval = (hostname: string): FleetError =>
  new FleetError('WAITING_APPROVAL', { hint: `labctl approve agent/${hostname}`, retryAfterMs: 30_000 });

/** Issues and makes this key the agent's. @throws FleetError BANNED, CONFLICT (another identity's key). */
export async function issueToAgent(
  tx: Writer,
  authority: LeafSource,
  place: AgentPlace,
  request: AgentRequest & { ttlMs: number; version?: string },
): Promise<Issued> {
  const { agentId, serverId, hostname } = place;
  const { csr, issuedBy, now, ttlMs, version } = request;
  const leaf = { kind: 'agent', id: agentId, name: hostname, csr, ttlMs, issuedBy } as const;
  const issued = await authority.issueLeaf(tx, leaf);
  await tx
    .updateTable('agents')
    .set((row) => ({ key_hash: csr.keyHash, pending_csr: null, revision: row('revision', '+', 1) }))
    .set((row) => ({
      approved_at: row.fn.coalesce('approved_at', row.val(now)),
      ...(version !== undefined && { version }),
    }))
    .where('id', '=', agentId)
    .execute();
  await tx
    .updateTable('servers')
    .set({ status: 'active' })
    .where('id', '=', serverId)
    .where('status', '=', 'waiting-approval')
    .execute();
  return issued;
}

/** Puts a request down for an operator, in place of an earlier one. The revision tells an operator that it changed. */
export async function waitForApproval(
  tx: Writer,
  place: AgentPlace,
  request: Pick<AgentRequest, 'csr' | 'now'>,
): Promise<void> {
  const { csr, now } = request;
  const { keyHash } = csr;
  await refuseDenied(tx, { keyHash });
  await tx
    .updateTable('agents')
    .set((row) => ({ pending_csr: csr.pem, approved_at: null, revision: row('revision', '+', 1) }))
    .where('id', '=', place.agentId)
    .execute();
  await tellWaiting(tx, place, keyHash, now);
}
