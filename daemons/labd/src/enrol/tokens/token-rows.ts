/** Join tokens as rows and as the API shows them. */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Reader } from '@labmesh/store/store';
import type { JoinTokensTable, Tables } from '@labmesh/store/tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import { type Token, tokenScopeSchema, type TokenScope, tokenSchema } from '@labmesh/wire/fleet/tokens';
import type { Expression, ExpressionBuilder, Selectable, SqlBool } from 'kysely';

export type TokenRow = Selectable<JoinTokensTable>;

/** What the token binds and gives; stored by us, parsed all the same. */
export const scopeOf = (row: Pick<TokenRow, 'scope'>): TokenScope => tokenScopeSchema.parse(parseJson(row.scope));

export function tokenState(row: TokenRow, now: number): Token['state'] {
  if (row.revoked_at !== null) return 'revoked';
  if (row.uses >= row.max_uses) return 'used';
  return row.expires_at <= now ? 'expired' : 'live';
}

/** The same as SQL. */
export const stateCondition =
  (state: Token['state'], now: number) =>
  (on: ExpressionBuilder<Tables, 'join_tokens'>): Expression<SqlBool> => {
    const isRevoked = on('revoked_at', 'is not', null);
    const isUsed = on('uses', '>=', on.ref('max_uses'));
    const isExpired = on('expires_at', '<=', now);
    if (state === 'revoked') return isRevoked;
    if (state === 'used') return on.and([on.not(isRevoked), isUsed]);
    if (state === 'expired') return on.and([on.not(isRevoked), on.not(isUsed), isExpired]);
    return on.and([on.not(isRevoked), on.not(isUsed), on.not(isExpired)]);
  };

/** A token without its text and hash. */
export function presentToken(row: TokenRow, now: number): Token {
  const { type, kind } = tokenSchema.pick({ type: true, kind: true }).parse(row);
  return {
    ...scopeOf(row),
    id: row.id,
    prefix: row.prefix,
    type,
    kind,
    state: tokenState(row, now),
    maxUses: row.max_uses,
    uses: row.uses,
    createdBy: row.created_by,
    createdAt: timeText(row.created_at),
    expiresAt: timeText(row.expires_at),
    usedAt: timeTextOrNull(row.used_at),
    revokedAt: timeTextOrNull(row.revoked_at),
    revision: row.revision,
  };
}

/** By id, by `lmj_<id8>` or by the bare id8. @throws FleetError NOT_FOUND. */
export async function findToken(db: Reader, ref: string): Promise<TokenRow> {
  const prefix = ref.startsWith('lmj_') ? ref : `lmj_${ref}`;
  const row = await db
    .selectFrom('join_tokens')
    .selectAll()
    .where((on) => on.or([on('id', '=', ref), on('prefix', '=', prefix)]))
    .orderBy('id', 'desc')
    .executeTakeFirst();
  if (row === undefined) throw new FleetError('NOT_FOUND');
  return row;
}
