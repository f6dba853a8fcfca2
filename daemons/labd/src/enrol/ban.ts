/** Bans (CA-9): a machine that is sent away and must not come back, until an operator lifts it. */
import { parseCsr } from '@labmesh/pki/csr';
import { spiffeId } from '@labmesh/pki/spiffe-id';
import type { Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Caller } from '../login/caller.ts';
import { writeDenials } from '../login/end-logins.ts';
import { findServer, type LifecycleParts } from './agent-lifecycle.ts';
import type { AgentRow } from './server-rows.ts';

/** Begins the reason of each denial of one ban, so that unban lifts these and no others. */
const banMark = (serverId: string) => `ban server/${serverId}: `;

/** Refuses keys, machine id and identity until unban, and cuts what is open. Safe to repeat. @throws FleetError NOT_FOUND. */
export async function banServer(
  caller: Caller,
  ref: string,
  parts: LifecycleParts,
  reason: string,
): Promise<{ serverId: string; hostname: string }> {
  const { clock, denials } = parts;
  return await writeDenials(parts, caller.principal, async (tx) => {
    const { id: serverId, hostname, machine_id } = await findServer(tx, ref);
    const now = clock.wall();
    const agent = await tx.selectFrom('agents').selectAll().where('server_id', '=', serverId).executeTakeFirst();
    const values = agent === undefined ? [] : await valuesOf(tx, agent, parts.trustDomain, now);
    if (machine_id !== null) values.push(['machine', machine_id]);
    for (const [kind, value] of values) {
      // What is denied for another reason already stays so after unban.
      if (!(await isDenied(tx, kind, value))) await denials.deny(tx, kind, value, `${banMark(serverId)}${reason}`);
    }
    await tx
      .updateTable('servers')
      .set((row) => ({ status: 'banned', revision: row('revision', '+', 1) }))
      .where('id', '=', serverId)
      .execute();
    return { serverId, hostname };
  });
}

type Denied = ['key' | 'identity' | 'machine', string];

async function valuesOf(tx: Writer, agent: AgentRow, trustDomain: string, now: number): Promise<Denied[]> {
  const live = await tx
    .selectFrom('certificates')
    .select('key_hash')
    .where('kind', '=', 'agent')
    .where('subject_id', '=', agent.id)
    .where('not_after', '>', now)
    .execute();
  const pending = agent.pending_csr === null ? [] : [parseCsr(agent.pending_csr).keyHash];
  const keys = new Set([agent.key_hash, ...pending, ...live.map(({ key_hash }) => key_hash)]);
  return [...[...keys].map((key): Denied => ['key', key]), ['identity', spiffeId(trustDomain, 'agent', agent.id)]];
}

async function isDenied(tx: Writer, kind: string, value: string): Promise<boolean> {
  const row = await tx
    .selectFrom('denials')
    .select('id')
    .where('kind', '=', kind)
    .where('value', '=', value)
    .where('lifted_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

/** Lifts a ban: the agent comes back with the certificate it has, or by `reenroll`. @throws FleetError NOT_FOUND, CONFLICT. */
export async function unbanServer(
  caller: Caller,
  ref: string,
  parts: LifecycleParts,
): Promise<{ serverId: string; hostname: string }> {
  const { denials } = parts;
  return await writeDenials(parts, caller.principal, async (tx) => {
    const { id: serverId, hostname, status } = await findServer(tx, ref);
    if (status !== 'banned') throw new FleetError('CONFLICT', { message: 'this server is not banned' });
    const held = await tx
      .selectFrom('denials')
      .select(['kind', 'value'])
      .where('reason', 'like', `${banMark(serverId)}%`)
      .where('lifted_at', 'is', null)
      .execute();
    for (const { kind, value } of held) {
      if (kind === 'key' || kind === 'identity' || kind === 'machine') await denials.lift(tx, kind, value);
    }
    const agent = await tx
      .selectFrom('agents')
      .select(['pending_csr', 'approved_at'])
      .where('server_id', '=', serverId)
      .executeTakeFirst();
    const isPending = agent !== undefined && agent.pending_csr !== null && agent.approved_at === null;
    await tx
      .updateTable('servers')
      .set((row) => ({ status: isPending ? 'waiting-approval' : 'active', revision: row('revision', '+', 1) }))
      .where('id', '=', serverId)
      .execute();
    return { serverId, hostname };
  });
}
