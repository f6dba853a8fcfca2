/**
 * Using a join token: one conditional update in the transaction that writes everything else (JT-4), and the row of the
 * use that makes a repetition give the same answer (JT-5).
 */
import type { Reader, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import type { TokenUsesTable } from '@labmesh/store/tables';
import { readSecret } from '../../login/secret-text.ts';
import { outsideScope, type Joiner } from './token-scope.ts';
import { scopeOf, type TokenRow } from './token-rows.ts';

/** A repetition is answered this long. */
export const replayMs = 10 * 60_000;

/**
 * The row of a token. Unknown id and wrong secret are one look-up by hash: neither answer nor time tells them apart.
 * @throws FleetError TOKEN_INVALID.
 */
export async function tokenOfText(db: Reader, text: string): Promise<TokenRow> {
  const hash = readSecret('lmj', text)?.hash;
  const row =
    hash === undefined
      ? undefined
      : await db.selectFrom('join_tokens').selectAll().where('hash', '=', hash).executeTakeFirst();
  if (row === undefined) throw new FleetError('TOKEN_INVALID');
  return row;
}

/** Whether a new join by this token is open. @throws FleetError TOKEN_REVOKED, TOKEN_USED, TOKEN_EXPIRED, TOKEN_SCOPE. */
export function checkToken(token: TokenRow, joiner: Joiner, now: number): void {
  if (token.revoked_at !== null) throw new FleetError('TOKEN_REVOKED');
  if (token.uses >= token.max_uses) throw new FleetError('TOKEN_USED');
  if (token.expires_at <= now) throw new FleetError('TOKEN_EXPIRED');
  const field = outsideScope(scopeOf(token), joiner);
  if (field !== undefined) throw new FleetError('TOKEN_SCOPE', { field });
}

/** Counts a use. @throws FleetError TOKEN_USED when another was first. */
export async function countUse(tx: Writer, token: TokenRow, now: number): Promise<void> {
  const used = await tx
    .updateTable('join_tokens')
    .set((row) => ({ uses: row('uses', '+', 1), used_at: now, revision: row('revision', '+', 1) }))
    .where('id', '=', token.id)
    .where((row) => row('uses', '<', row.ref('max_uses')))
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  if (used.numUpdatedRows !== 1n) throw new FleetError('TOKEN_USED');
}

/** The use of this token by this key. `serial` is empty while it waits for an operator. */
export function findUse(db: Reader, tokenId: string, keyHash: string): Promise<TokenUsesTable | undefined> {
  return db
    .selectFrom('token_uses')
    .selectAll()
    .where('token_id', '=', tokenId)
    .where('key_hash', '=', keyHash)
    .executeTakeFirst();
}

export type NewUse = { tokenId: string; keyHash: string; serverId: string; serial: string };

/** Writes a use, or what became of it. */
export async function writeUse(tx: Writer, use: NewUse, now: number): Promise<void> {
  const { serverId: server_id, serial } = use;
  await tx
    .insertInto('token_uses')
    .values({ id: uuidv7(), created_at: now, token_id: use.tokenId, key_hash: use.keyHash, server_id, serial })
    .onConflict((on) => on.columns(['token_id', 'key_hash']).doUpdateSet({ server_id, serial, created_at: now }))
    .execute();
}
