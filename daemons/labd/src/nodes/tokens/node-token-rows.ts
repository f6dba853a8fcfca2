/** Node tokens as rows and as the API shows them. */
import type { Reader } from '@labmesh/store/store';
import type { NodeTokensTable } from '@labmesh/store/plane-tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import type { FleetNodeToken } from '@labmesh/wire/fleet/resources/nodes';
import type { Selectable } from 'kysely';
import { readNodeToken } from './node-token-text.ts';

export type NodeTokenRow = Selectable<NodeTokensTable>;

function stateOf(row: NodeTokenRow, now: number): FleetNodeToken['state'] {
  if (row.revoked_at !== null) return 'revoked';
  if (row.expires_at <= now) return 'expired';
  return row.node_id === null ? 'unused' : 'bound';
}

/** A token without its text and hash. */
export const presentNodeToken = (row: NodeTokenRow, now: number): FleetNodeToken => ({
  id: row.id,
  prefix: row.prefix,
  state: stateOf(row, now),
  name: row.name,
  nodeId: row.node_id,
  region: row.region,
  tenant: row.tenant,
  allowRekey: row.allow_rekey === 1,
  createdBy: row.created_by,
  createdAt: timeText(row.created_at),
  expiresAt: timeText(row.expires_at),
  usedAt: timeTextOrNull(row.used_at),
  revokedAt: timeTextOrNull(row.revoked_at),
  revision: row.revision,
});

/** By id, by `lmn_<id10>` or by the bare id10. @throws FleetError NOT_FOUND. */
export async function findNodeToken(db: Reader, ref: string): Promise<NodeTokenRow> {
  const prefix = ref.startsWith('lmn_') ? ref : `lmn_${ref}`;
  const row = await db
    .selectFrom('node_tokens')
    .selectAll()
    .where((on) => on.or([on('id', '=', ref), on('prefix', '=', prefix)]))
    .orderBy('id', 'desc')
    .executeTakeFirst();
  // The reference is not repeated: somebody may have pasted the whole secret.
  if (row === undefined) throw new FleetError('NOT_FOUND', { message: 'there is no such node token' });
  return row;
}

/**
 * The row of a token's text, while it is good. Unknown id and wrong secret are one look-up by hash: neither answer nor time
 * tells them apart.
 * @throws FleetError TOKEN_INVALID for unknown and revoked ones, TOKEN_EXPIRED.
 */
export async function liveNodeToken(db: Reader, text: string, now: number): Promise<NodeTokenRow> {
  const hash = readNodeToken(text)?.hash;
  const row =
    hash === undefined
      ? undefined
      : await db.selectFrom('node_tokens').selectAll().where('hash', '=', hash).executeTakeFirst();
  if (row === undefined) throw new FleetError('TOKEN_INVALID');
  assertLive(row, now);
  return row;
}

/** @throws FleetError TOKEN_INVALID, TOKEN_EXPIRED. */
function assertLive(row: NodeTokenRow, now: number): void {
  if (row.revoked_at !== null) throw new FleetError('TOKEN_INVALID', { message: 'this token was revoked' });
  if (row.expires_at > now) return;
  throw new FleetError('TOKEN_EXPIRED', {
    message: 'this token has expired',
    hint: 'make another with `labctl node token create`',
  });
}
