/** The answer to a join that was answered before and got lost on the way (JT-5, spire#2454). */
import type { Writer } from '@labmesh/store/store';
import type { TokenUsesTable } from '@labmesh/store/tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { refuseDenied } from './denied.ts';
import type { Joined, Joining, JoinParts } from './joins/joining.ts';
import { replayMs } from './tokens/token-use.ts';

const types = { agent: 'server', bastion: 'bastion', service: 'service' } as const;

/**
 * The identical certificate, for 10 min after the use; undefined later. The authority gives the same certificate for the
 * same key, so nothing new is issued. @throws FleetError REVOKED, BANNED.
 */
export async function repeatIssued(
  tx: Writer,
  parts: JoinParts,
  use: TokenUsesTable,
  joining: Joining,
): Promise<Joined | undefined> {
  const { request, csr, issuedBy, now, token } = joining;
  if (use.created_at + replayMs <= now) return undefined;
  const certificate = await tx.selectFrom('certificates').selectAll().where('id', '=', use.serial).executeTakeFirst();
  if (certificate === undefined) return undefined;
  const { kind, subject_id, name, identity } = certificate;
  if (certificate.revoked_at !== null) throw new FleetError('REVOKED');
  await refuseDenied(tx, { serial: use.serial, identity, keyHash: csr.keyHash, machineId: request.machineId });
  if (kind !== 'agent' && kind !== 'bastion' && kind !== 'service') return undefined;
  const ttlMs = kind === 'agent' ? parts.ttl.agentMs : parts.ttl.serviceMs;
  const issued = await parts.authority.issueLeaf(tx, { kind, id: subject_id, name, csr, ttlMs, issuedBy });
  const place = { agentId: subject_id, serverId: use.server_id, hostname: name };
  return { state: 'issued', type: types[kind], place, issued, how: 'repeated', tokenPrefix: token.prefix };
}
