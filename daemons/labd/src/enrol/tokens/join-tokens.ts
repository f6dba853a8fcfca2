/** Join tokens: make, list, revoke (JT-1, JT-2, JT-8). Using one is enroll.ts. */
import { type Page, page } from '@labmesh/store/page';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { principalText } from '@labmesh/wire/fleet/principal';
import type { CreatedToken, createTokenSchema, Token, TokenQuery } from '@labmesh/wire/fleet/tokens';
import { tokenScopeSchema, tokenTtlMs, tokenUsesMax } from '@labmesh/wire/fleet/tokens';
import { uuidv7 } from '@labmesh/wire/ids';
import type { z } from 'zod';
import type { Condition } from '../../access/condition.ts';
import type { Caller } from '../../login/caller.ts';
import { makeSecret } from '../../login/secret-text.ts';
import { joinCommand, joinCommandArgv, type JoinTarget } from './join-command.ts';
import { findToken, presentToken, stateCondition, type TokenRow } from './token-rows.ts';
import type { World } from '../../settings/world.ts';

type CreateToken = z.output<typeof createTokenSchema>;

export type JoinTokensParts = {
  store: World['store'];
  clock: World['clock'];
  /** For the join command: the agents' URL and the pins as they are now. */
  target: () => JoinTarget;
};

/**
 * What a bastion may mint (JT-8): for one machine, that it installs, within the hour.
 * @throws FleetError VALIDATION_FAILED.
 */
function checkBastionToken(token: CreateToken): void {
  const wrong: [boolean, string, string][] = [
    [token.type !== 'one-time', 'type', 'a bastion mints one-time tokens'],
    [token.kind !== 'agent', 'kind', 'a bastion mints tokens for agents'],
    [token.macs.length === 0, 'macs', 'a bastion binds its tokens to a MAC'],
    [
      token.hostname === null || token.hostname.includes('*'),
      'hostname',
      'a bastion binds its tokens to one host name',
    ],
    [token.role === null, 'role', 'a bastion binds its tokens to a role'],
    [token.ttlMs > tokenTtlMs.bastionMinted, 'ttlMs', 'a bastion mints tokens for at most 60 min'],
  ];
  const first = wrong.find(([isWrong]) => isWrong);
  if (first !== undefined) throw new FleetError('VALIDATION_FAILED', { field: first[1], message: first[2] });
}

export class JoinTokens {
  readonly #parts: JoinTokensParts;

  constructor(parts: JoinTokensParts) {
    this.#parts = parts;
  }

  /** Makes a token; its text is in this answer and nowhere else. @throws FleetError VALIDATION_FAILED. */
  async create(caller: Caller, request: CreateToken): Promise<CreatedToken> {
    const { store, clock, target } = this.#parts;
    if (caller.principal.kind === 'bastion') checkBastionToken(request);
    const { text, prefix, hash } = makeSecret('lmj');
    const now = clock.wall();
    const { type, kind, ttlMs } = request;
    const row: TokenRow = {
      id: uuidv7(),
      created_at: now,
      revision: 1,
      type,
      kind,
      hash,
      prefix,
      scope: JSON.stringify(tokenScopeSchema.parse(request)),
      max_uses: type === 'one-time' ? 1 : (request.maxUses ?? tokenUsesMax.default),
      uses: 0,
      expires_at: now + ttlMs,
      revoked_at: null,
      used_at: null,
      created_by: principalText(caller.principal),
    };
    await store.write(caller.principal, (tx) => tx.insertInto('join_tokens').values(row).execute());
    const join = { ...target(), token: text };
    return {
      ...presentToken(row, now),
      token: text,
      joinCommand: joinCommand(join),
      joinCommandArgv: joinCommandArgv(join),
    };
  }

  /** Newest first; `may` is the caller's right to list, as SQL. @throws FleetError VALIDATION_FAILED (cursor). */
  async list(caller: Caller, query: TokenQuery, may: Condition): Promise<Page<Token>> {
    if (may.none) return { items: [], nextCursor: null };
    const now = this.#parts.clock.wall();
    const { state, kind, limit, cursor } = query;
    const { items, nextCursor } = await this.#parts.store.read(caller.principal, (db) => {
      let rows = db
        .selectFrom('join_tokens')
        .selectAll()
        .where(may.where({ name: 'join_tokens.prefix' }));
      if (kind !== undefined) rows = rows.where('kind', '=', kind);
      if (state !== undefined) rows = rows.where(stateCondition(state, now));
      const by = [{ column: 'id', type: 'text' }] as const;
      return page(rows, { list: 'tokens', by, descending: true, limit, cursor });
    });
    return { items: items.map((row) => presentToken(row, now)), nextCursor };
  }

  /** By id, `lmj_<id8>` or id8. @throws FleetError NOT_FOUND. */
  get(caller: Caller, ref: string): Promise<Token> {
    return this.#parts.store.read(caller.principal, async (db) =>
      presentToken(await findToken(db, ref), this.#parts.clock.wall()),
    );
  }

  /** Ends a token for joins to come; machines that joined by it stay (JT-8). Safe to repeat. @throws FleetError NOT_FOUND. */
  revoke(caller: Caller, ref: string): Promise<Token> {
    const { store, clock } = this.#parts;
    return store.write(caller.principal, async (tx) => {
      const now = clock.wall();
      const { id } = await findToken(tx, ref);
      await tx
        .updateTable('join_tokens')
        .set((row) => ({ revoked_at: now, revision: row('revision', '+', 1) }))
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .execute();
      return presentToken(await findToken(tx, id), now);
    });
  }
}
