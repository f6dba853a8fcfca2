/**
 * `POST /api/auth/reenroll`: back after the certificate ran out (CA-7). Within `expired_grace` and with the last key
 * issued it is taken in at once (`auto`); later, or with `approve`, an operator decides. An identity never dies of age.
 */
import type { Clock } from '@labmesh/kit/clock';
import { type Csr, parseCsr } from '@labmesh/pki/csr';
import type { Store, Writer } from '@labmesh/store/store';
import type { Reenroll, Renewed } from '@labmesh/wire/fleet/enrolment';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { principalText } from '@labmesh/wire/fleet/principal';
import type { Issued } from '../ca/authority.ts';
import type { Caller, Noted } from '../login/caller.ts';
import { certificateFields } from '../login/user-certificates.ts';
import { type AgentPlace, issueToAgent, pendingState, waitForApproval, waitingApproval } from './agent-certificates.ts';
import { refuseDenied } from './denied.ts';
import type { JoinParts } from './joins/joining.ts';
import { deniedBy, liveName, unknownIdentity } from './renew.ts';

export const expiredGraceMs = 30 * 24 * 3_600_000;

export type ReenrollParts = Pick<JoinParts, 'authority' | 'ttl'> & {
  store: Store;
  clock: Clock;
  /** `ca.reenrol`. */
  mode: 'auto' | 'approve';
  /** `ca.expired_grace`. */
  graceMs?: number;
};

type Outcome = { state: 'issued'; issued: Issued } | { state: 'waiting'; place: AgentPlace };
type Asked = { csr: Csr; now: number };

/**
 * The caller showed an expired certificate whose chain the listener verified.
 * @throws FleetError WAITING_APPROVAL; UNAUTHENTICATED when the identity is gone or this is not its last key; BANNED,
 * REVOKED; PERMISSION_DENIED for users, who log in again.
 */
export async function reenroll(caller: Caller, request: Reenroll, parts: ReenrollParts): Promise<Noted<Renewed>> {
  const { kind } = caller.principal;
  if (caller.keyHash === undefined || caller.serial === undefined) throw new FleetError('UNAUTHENTICATED');
  if (kind === 'user')
    throw new FleetError('PERMISSION_DENIED', { message: 'this login is over', hint: 'labctl login' });
  if (kind !== 'agent' && kind !== 'bastion' && kind !== 'service') throw new FleetError('PERMISSION_DENIED');
  const asked = { csr: parseCsr(request.csrPem), now: parts.clock.wall() };
  const outcome = await parts.store.write(caller.principal, async (tx): Promise<Outcome> =>
    kind === 'agent'
      ? await agentBack(tx, caller, parts, asked)
      : { state: 'issued', issued: await otherBack(tx, caller, parts, { ...asked, kind }) },
  );
  if (outcome.state === 'waiting') throw waitingApproval(outcome.place.hostname);
  const { issued } = outcome;
  const resource = principalText(caller.principal);
  const answer = certificateFields(issued, parts.authority);
  return { answer, note: { resource, resourceId: caller.principal.id, details: { serial: issued.serial } } };
}

async function agentBack(tx: Writer, caller: Caller, parts: ReenrollParts, asked: Asked): Promise<Outcome> {
  const { principal } = caller;
  const agent = await tx
    .selectFrom('agents')
    .innerJoin('servers', 'servers.id', 'agents.server_id')
    .selectAll('agents')
    .select(['servers.hostname', 'servers.status', 'servers.machine_id'])
    .where('agents.id', '=', principal.id)
    .executeTakeFirst();
  if (agent === undefined) throw unknownIdentity();
  if (agent.status === 'banned') throw new FleetError('BANNED');
  await refuseDenied(tx, deniedBy(caller, agent.machine_id));
  const place = { agentId: agent.id, serverId: agent.server_id, hostname: agent.hostname };
  const pending = pendingState(agent, asked.csr.keyHash);
  // The request itself proves its key, so a retry after a lost answer counts as the last key, too.
  const isLastKey = [caller.keyHash, asked.csr.keyHash].includes(agent.key_hash);
  if (!isLastKey && pending !== 'approved') throw notLastKey();
  const mayEnter =
    pending === 'approved' ||
    (parts.mode === 'auto' && (await withinGrace(tx, caller, parts, asked.now))) ||
    (await wasAnswered(tx, agent, asked));
  if (mayEnter) {
    const request = { ...asked, issuedBy: principal, ttlMs: parts.ttl.agentMs };
    return { state: 'issued', issued: await issueToAgent(tx, parts.authority, place, request) };
  }
  if (pending !== 'waiting') await waitForApproval(tx, place, asked);
  // Its certificate is over, so it cannot be online: waiting is all there is to show.
  await tx
    .updateTable('servers')
    .set({ status: 'waiting-approval' })
    .where('id', '=', place.serverId)
    .where('status', '=', 'active')
    .execute();
  return { state: 'waiting', place };
}

/** This very request was granted before and the answer was lost: it gets the same certificate, and nobody is asked again. */
async function wasAnswered(tx: Writer, agent: { id: string; key_hash: string }, asked: Asked): Promise<boolean> {
  const { keyHash } = asked.csr;
  if (agent.key_hash !== keyHash) return false;
  const live = await tx
    .selectFrom('certificates')
    .select('id')
    .where('key_hash', '=', keyHash)
    .where('subject_id', '=', agent.id)
    .where('revoked_at', 'is', null)
    .where('not_after', '>', asked.now)
    .executeTakeFirst();
  return live !== undefined;
}

/** Bastions and services have nobody to wait for: later than the grace they need a token. */
async function otherBack(
  tx: Writer,
  caller: Caller,
  parts: ReenrollParts,
  asked: Asked & { kind: 'bastion' | 'service' },
): Promise<Issued> {
  const { principal } = caller;
  const { kind, csr } = asked;
  const name = await liveName(tx, kind, principal.id);
  if (name === undefined) throw unknownIdentity();
  await refuseDenied(tx, deniedBy(caller, null));
  const last = await tx
    .selectFrom('certificates')
    .select('key_hash')
    .where('kind', '=', kind)
    .where('subject_id', '=', principal.id)
    .orderBy('not_after', 'desc')
    .orderBy('created_at', 'desc')
    .executeTakeFirst();
  if (last === undefined || ![caller.keyHash, csr.keyHash].includes(last.key_hash)) throw notLastKey();
  if (parts.mode !== 'auto' || !(await withinGrace(tx, caller, parts, asked.now))) throw unknownIdentity();
  const leaf = { kind, id: principal.id, name, csr, ttlMs: parts.ttl.serviceMs, issuedBy: principal };
  return await parts.authority.issueLeaf(tx, leaf);
}

/** Whether the certificate shown ran out less than the grace ago. One that is not in the store never did. */
async function withinGrace(tx: Writer, { serial = '' }: Caller, parts: ReenrollParts, now: number): Promise<boolean> {
  const shown = await tx.selectFrom('certificates').select('not_after').where('id', '=', serial).executeTakeFirst();
  return shown !== undefined && shown.not_after + (parts.graceMs ?? expiredGraceMs) > now;
}

const notLastKey = () =>
  new FleetError('UNAUTHENTICATED', {
    message: 'this is not the last key that this identity was given',
    hint: 'join again with a token',
  });
