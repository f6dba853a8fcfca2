/** `POST /api/auth/renew`: the next certificate over the live one (CA-6), for whatever kind of identity. */
import type { Clock } from '@labmesh/kit/clock';
import { type Csr, parseCsr } from '@labmesh/pki/csr';
import type { Store, Writer } from '@labmesh/store/store';
import type { Renew, Renewed } from '@labmesh/wire/fleet/enrolment';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { principalText } from '@labmesh/wire/fleet/principal';
import type { Issued } from '../ca/authority.ts';
import type { Caller, Noted } from '../login/caller.ts';
import { certificateFields, type UserCertificates } from '../login/user-certificates.ts';
import { issueToAgent } from './agent-certificates.ts';
import { refuseDenied } from './denied.ts';
import type { JoinParts } from './joins/joining.ts';

export type RenewParts = Pick<JoinParts, 'authority' | 'ttl'> & {
  store: Store;
  clock: Clock;
  users: UserCertificates;
};

/**
 * The listener has verified the certificate and the deny list; here the identity has to exist still, by the store.
 * @throws FleetError UNAUTHENTICATED (no such identity any more, a user's login is over), BANNED, REVOKED,
 * PERMISSION_DENIED (a kind that does not renew here), KEY_TYPE_REFUSED, VALIDATION_FAILED, CONFLICT.
 */
export async function renew(caller: Caller, request: Renew, parts: RenewParts): Promise<Noted<Renewed>> {
  const { kind } = caller.principal;
  if (caller.keyHash === undefined) throw new FleetError('UNAUTHENTICATED');
  if (kind === 'user') return await parts.users.renew(caller, request);
  if (kind !== 'agent' && kind !== 'bastion' && kind !== 'service') throw new FleetError('PERMISSION_DENIED');
  const csr = parseCsr(request.csrPem);
  const issued = await parts.store.write(caller.principal, (tx) =>
    kind === 'agent' ? renewAgent(tx, caller, parts, csr) : renewOther(tx, caller, parts, kind, csr),
  );
  const resource = principalText(caller.principal);
  const answer = certificateFields(issued, parts.authority);
  return { answer, note: { resource, resourceId: caller.principal.id, details: { serial: issued.serial } } };
}

/** @throws FleetError UNAUTHENTICATED, for who was deleted meanwhile. */
export const unknownIdentity = () =>
  new FleetError('UNAUTHENTICATED', {
    message: 'this identity is not known any more',
    hint: 'join again with a token',
  });

async function renewAgent(tx: Writer, caller: Caller, parts: RenewParts, csr: Csr): Promise<Issued> {
  const { id: agentId } = caller.principal;
  const agent = await tx
    .selectFrom('agents')
    .innerJoin('servers', 'servers.id', 'agents.server_id')
    .select(['agents.server_id', 'agents.pending_csr', 'agents.approved_at'])
    .select(['servers.hostname', 'servers.status', 'servers.machine_id'])
    .where('agents.id', '=', agentId)
    .executeTakeFirst();
  if (agent === undefined) throw unknownIdentity();
  if (agent.status === 'banned') throw new FleetError('BANNED');
  await refuseDenied(tx, deniedBy(caller, agent.machine_id));
  const place = { agentId, serverId: agent.server_id, hostname: agent.hostname };
  const now = parts.clock.wall();
  const issued = await issueToAgent(tx, parts.authority, place, {
    csr,
    issuedBy: caller.principal,
    now,
    ttlMs: parts.ttl.agentMs,
  });
  // Renewing is no answer to another machine's request to take this place: that goes on waiting.
  const { pending_csr, approved_at } = agent;
  if (pending_csr !== null)
    await tx.updateTable('agents').set({ pending_csr, approved_at }).where('id', '=', agentId).execute();
  return issued;
}

async function renewOther(
  tx: Writer,
  caller: Caller,
  parts: RenewParts,
  kind: 'bastion' | 'service',
  csr: Csr,
): Promise<Issued> {
  const { id } = caller.principal;
  const name = await liveName(tx, kind, id);
  if (name === undefined) throw unknownIdentity();
  await refuseDenied(tx, deniedBy(caller, null));
  const issuedBy = caller.principal;
  return await parts.authority.issueLeaf(tx, { kind, id, name, csr, ttlMs: parts.ttl.serviceMs, issuedBy });
}

/** What the caller shows, as the deny list looks at it. The identity itself was checked by status. */
export const deniedBy = ({ serial, keyHash }: Caller, machineId: string | null) => ({
  ...(serial !== undefined && { serial }),
  ...(keyHash !== undefined && { keyHash }),
  ...(machineId !== null && { machineId }),
});

/** Name of a bastion or service that is still let in. */
export async function liveName(tx: Writer, kind: 'bastion' | 'service', id: string): Promise<string | undefined> {
  const found =
    kind === 'bastion'
      ? tx.selectFrom('bastions').select('name').where('id', '=', id).where('revoked_at', 'is', null)
      : tx
          .selectFrom('users')
          .select('name')
          .where('id', '=', id)
          .where('kind', '=', 'service')
          .where('disabled_at', 'is', null);
  return (await found.executeTakeFirst())?.name;
}
