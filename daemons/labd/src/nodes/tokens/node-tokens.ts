/** Node tokens: make, list, rotate, revoke (N1). Using one is register-node.ts. */
import { type Page, page } from '@labmesh/store/page';
import type { Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { principalText } from '@labmesh/wire/fleet/principal';
import {
  type CreatedNodeToken,
  type createNodeTokenSchema,
  type FleetNodeToken,
  nodeTokenTtlMs,
} from '@labmesh/wire/fleet/resources/nodes';
import { uuidv7 } from '@labmesh/wire/ids';
import type { z } from 'zod';
import type { Caller } from '../../login/caller.ts';
import type { World } from '../../settings/world.ts';
import { makeNodeToken } from './node-token-text.ts';
import { findNodeToken, type NodeTokenRow, presentNodeToken } from './node-token-rows.ts';
import { nodeJoinCommand, onboardingText, type OnboardingTarget } from './onboarding.ts';

type CreateNodeToken = z.output<typeof createNodeTokenSchema>;
/** What a token gives to its node. */
type TokenTerms = Pick<NodeTokenRow, 'name' | 'node_id' | 'region' | 'tenant' | 'allow_rekey' | 'expires_at'>;

export type NodeTokensParts = {
  store: World['store'];
  clock: World['clock'];
  /** Undefined: there is no listener for nodes. */
  target: () => OnboardingTarget | undefined;
};

async function assertNameFree(tx: Writer, name: string): Promise<void> {
  const taken =
    (await tx.selectFrom('nodes').select('id').where('name', '=', name).executeTakeFirst()) ??
    (await tx
      .selectFrom('node_tokens')
      .select('id')
      .where('name', '=', name)
      .where('node_id', 'is', null)
      .where('revoked_at', 'is', null)
      .executeTakeFirst());
  if (taken === undefined) return;
  throw new FleetError('CONFLICT', { field: 'name', message: 'a node or an unused token has that name' });
}

export class NodeTokens {
  readonly #parts: NodeTokensParts;

  constructor(parts: NodeTokensParts) {
    this.#parts = parts;
  }

  /** Makes a token; its text is in this answer and nowhere else. @throws FleetError CONFLICT (name), NOT_AVAILABLE. */
  create(caller: Caller, request: CreateNodeToken): Promise<CreatedNodeToken> {
    const { name = null, region = null, tenant, allowRekey, ttlMs } = request;
    return this.#insert(caller, async (tx, now) => {
      if (name !== null) await assertNameFree(tx, name);
      const allow_rekey = allowRekey ? 1 : 0;
      return { name, node_id: null, region, tenant, allow_rekey, expires_at: now + ttlMs };
    });
  }

  /**
   * Another token on the same terms, as long-lived as the old one was made; the old one ends after 24 h at the latest.
   * @throws FleetError NOT_FOUND, CONFLICT for one that ended, or that nobody has used.
   */
  rotate(caller: Caller, ref: string): Promise<CreatedNodeToken> {
    return this.#insert(caller, async (tx, now) => {
      const old = await findNodeToken(tx, ref);
      const { name, node_id, region, tenant, allow_rekey } = old;
      if (old.revoked_at !== null || old.expires_at <= now)
        throw new FleetError('CONFLICT', { message: 'this token has ended' });
      // Two unbound tokens would be two nodes.
      if (node_id === null) throw new FleetError('CONFLICT', { message: 'no node has used this token yet' });
      await tx
        .updateTable('node_tokens')
        .set((row) => ({
          expires_at: Math.min(old.expires_at, now + nodeTokenTtlMs.overlap),
          revision: row('revision', '+', 1),
        }))
        .where('id', '=', old.id)
        .execute();
      return { name, node_id, region, tenant, allow_rekey, expires_at: now + (old.expires_at - old.created_at) };
    });
  }

  async #insert(caller: Caller, terms: (tx: Writer, now: number) => Promise<TokenTerms>): Promise<CreatedNodeToken> {
    const { store, clock } = this.#parts;
    const target = this.#parts.target();
    if (target === undefined)
      throw new FleetError('NOT_AVAILABLE', { message: 'conplane.listen is empty: no nodes here' });
    const { text, prefix, hash } = makeNodeToken();
    const now = clock.wall();
    const row = await store.write(caller.principal, async (tx): Promise<NodeTokenRow> => {
      const made = {
        ...(await terms(tx, now)),
        id: uuidv7(),
        created_at: now,
        revision: 1,
        prefix,
        hash,
        revoked_at: null,
        used_at: null,
        created_by: principalText(caller.principal),
      };
      await tx.insertInto('node_tokens').values(made).execute();
      return made;
    });
    const onboarding = onboardingText(text, target);
    return { ...presentNodeToken(row, now), token: text, onboarding, joinCommand: nodeJoinCommand(onboarding) };
  }

  /** Newest first. @throws FleetError VALIDATION_FAILED (cursor). */
  async list(caller: Caller, query: { limit: number; cursor?: string | undefined }): Promise<Page<FleetNodeToken>> {
    const { store, clock } = this.#parts;
    const { limit, cursor } = query;
    const by = [{ column: 'id', type: 'text' }] as const;
    const { items, nextCursor } = await store.read(caller.principal, (db) =>
      page(db.selectFrom('node_tokens').selectAll(), { list: 'node-tokens', by, descending: true, limit, cursor }),
    );
    return { items: items.map((row) => presentNodeToken(row, clock.wall())), nextCursor };
  }

  /** Ends a token at once; its node stays, unheard. Safe to repeat. @throws FleetError NOT_FOUND. */
  revoke(caller: Caller, ref: string): Promise<FleetNodeToken> {
    const { store, clock } = this.#parts;
    return store.write(caller.principal, async (tx) => {
      const { id } = await findNodeToken(tx, ref);
      const now = clock.wall();
      await tx
        .updateTable('node_tokens')
        .set((row) => ({ revoked_at: now, revision: row('revision', '+', 1) }))
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .execute();
      return presentNodeToken(await findNodeToken(tx, id), now);
    });
  }
}
