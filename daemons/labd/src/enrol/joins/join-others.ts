/** How bastions and services join: like machines, without host, MAC or waiting (JT-2). */
import type { Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import { revokeCertificates } from '../../login/end-logins.ts';
import type { Joined, Joining, JoinParts } from './joining.ts';
import { scopeOf } from '../tokens/token-rows.ts';

const nameTaken = (kind: string) =>
  new FleetError('SERVER_EXISTS', {
    message: `a ${kind} of this name is known already`,
    hint: 'use a token with takeover',
  });

/** @throws FleetError SERVER_EXISTS, CONFLICT (another identity's key). */
export async function joinBastion(tx: Writer, parts: JoinParts, joining: Joining): Promise<Joined> {
  const { request, token, now } = joining;
  const scope = scopeOf(token);
  const known = await tx
    .selectFrom('bastions')
    .select(['id', 'revoked_at'])
    .where('name', '=', request.hostname)
    .executeTakeFirst();
  if (known !== undefined && known.revoked_at === null && !scope.takeover) throw nameTaken('bastion');
  const id = known?.id ?? uuidv7();
  const labels = JSON.stringify(scope.labels);
  const row = { id, created_at: now, name: request.hostname, url: null, labels, last_seen_at: null, revoked_at: null };
  if (known === undefined) await tx.insertInto('bastions').values(row).execute();
  else await tx.updateTable('bastions').set({ labels, revoked_at: null }).where('id', '=', id).execute();
  return await certify(tx, parts, joining, { kind: 'bastion', id, isKnown: known !== undefined });
}

/** A service (gateway, telemetry, dashboard) is a user of kind `service`. @throws FleetError as `joinBastion`, BANNED. */
export async function joinService(tx: Writer, parts: JoinParts, joining: Joining): Promise<Joined> {
  const { request, token, now } = joining;
  const known = await tx
    .selectFrom('users')
    .select(['id', 'kind', 'disabled_at'])
    .where('name', '=', request.hostname)
    .executeTakeFirst();
  if (known !== undefined && (known.kind !== 'service' || !scopeOf(token).takeover)) throw nameTaken('service');
  if (known !== undefined && known.disabled_at !== null)
    throw new FleetError('BANNED', { message: 'this service is disabled' });
  const id = known?.id ?? uuidv7();
  const row = { id, created_at: now, name: request.hostname, kind: 'service', email: null, disabled_at: null };
  if (known === undefined) await tx.insertInto('users').values(row).execute();
  return await certify(tx, parts, joining, { kind: 'service', id, isKnown: known !== undefined });
}

async function certify(
  tx: Writer,
  parts: JoinParts,
  joining: Joining,
  subject: { kind: 'bastion' | 'service'; id: string; isKnown: boolean },
): Promise<Joined> {
  const { request, csr, issuedBy, now, token } = joining;
  const { kind, id } = subject;
  const reason = 'taken over by a join token';
  if (subject.isKnown) await revokeCertificates(tx, parts.denials, subject, { now, reason, keepKey: csr.keyHash });
  const name = request.hostname;
  const leaf = { kind, id, name, csr, ttlMs: parts.ttl.serviceMs, issuedBy };
  const issued = await parts.authority.issueLeaf(tx, leaf);
  const how = subject.isKnown ? 'takeover' : 'fresh';
  const place = { agentId: id, serverId: id, hostname: name };
  return { state: 'issued', type: kind, place, issued, how, tokenPrefix: token.prefix };
}
