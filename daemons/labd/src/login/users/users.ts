/**
 * Users (2.2). What ends a right ends it in the same transaction for all replicas (RB-11): the identity is denied, which
 * cuts certificates and open channels; sessions are revoked by their rows; the access version rises.
 */
import type { Clock } from '@labmesh/kit/clock';
import { spiffeId } from '@labmesh/pki/spiffe-id';
import type { Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { createdUserSchema, createUserSchema, patchUserSchema, User } from '@labmesh/wire/fleet/resources/people';
import { uuidv7 } from '@labmesh/wire/ids';
import type { z } from 'zod';
import { refuseLastAdmin } from '../../access/access-change.ts';
import { bumpAccessVersion } from '../../access/access-version.ts';
import { createBinding, deleteBindingsOf } from '../../access/bindings.ts';
import type { Caller } from '../caller.ts';
import { type Denials, endLogins, writeDenials } from '../end-logins.ts';
import type { UserTokenIssuer } from '../user-enrol.ts';
import { findUser, presentUser, type UserRow } from './user-rows.ts';

export type UsersParts = {
  store: Store;
  clock: Clock;
  denials: Denials;
  trustDomain: string;
  issueToken: UserTokenIssuer;
};

type CreateUser = z.output<typeof createUserSchema>;
type CreatedUser = z.input<typeof createdUserSchema>;
type PatchUser = z.output<typeof patchUserSchema>;

/** A name must never be taken for an id: whatever takes either would find the wrong user. */
const idLike = /^[0-9a-f]{8}-[0-9a-f]{4}-/;

export class Users {
  readonly #parts: UsersParts;

  constructor(parts: UsersParts) {
    this.#parts = parts;
  }

  /**
   * Makes a user, bound to roles, with a one-time token that is given this once (ID-2).
   * @throws FleetError CONFLICT (the name is taken), ESCALATION, NOT_FOUND (a role).
   */
  async create(caller: Caller, request: CreateUser): Promise<CreatedUser> {
    const { store, clock, issueToken } = this.#parts;
    const { name, email = null } = request;
    if (idLike.test(name))
      throw new FleetError('VALIDATION_FAILED', { field: 'name', message: 'a name cannot look like an id' });
    return await store.write(caller.principal, async (tx) => {
      const now = clock.wall();
      const row: UserRow = { id: uuidv7(), created_at: now, revision: 1, name, kind: 'user', email, disabled_at: null };
      const made = await tx
        .insertInto('users')
        .values(row)
        .onConflict((on) => on.column('name').doNothing())
        .returning('id')
        .executeTakeFirst();
      if (made === undefined)
        throw new FleetError('CONFLICT', { field: 'name', message: 'there is a user of this name already' });
      for (const role of new Set(request.roles))
        await createBinding(caller, { tx, now }, { subjectKind: 'user', subject: row.id, role });
      return { user: await presentUser(tx, row, now), ...(await issueToken(tx, row.id, now)) };
    });
  }

  /**
   * Address; disable or enable. Disabling ends logins, certificates and open channels.
   * @throws FleetError NOT_FOUND, STALE_REVISION, LAST_ADMIN.
   */
  async patch(caller: Caller, idOrName: string, request: PatchUser): Promise<User> {
    return await writeDenials(this.#parts, caller.principal, async (tx) => {
      const now = this.#parts.clock.wall();
      const row = await findUser(tx, idOrName);
      if (request.revision !== undefined && request.revision !== row.revision) throw new FleetError('STALE_REVISION');
      const isDisabled = row.disabled_at !== null;
      if (request.disabled === true && !isDisabled) await this.#disable(tx, row, now);
      if (request.disabled === false && isDisabled) await this.#enable(tx, row, now);
      const email = request.email === undefined ? row.email : request.email;
      const revision = row.revision + 1;
      await tx.updateTable('users').set({ email, revision }).where('id', '=', row.id).execute();
      return await presentUser(tx, await findUser(tx, row.id), now);
    });
  }

  /** Ends a user for good: bindings, secrets, sessions, certificates. @throws FleetError NOT_FOUND, LAST_ADMIN. */
  async delete(caller: Caller, idOrName: string): Promise<{ id: string; name: string }> {
    const { clock, denials } = this.#parts;
    return await writeDenials(this.#parts, caller.principal, async (tx) => {
      const now = clock.wall();
      const { id, name, kind } = await findUser(tx, idOrName);
      await deleteBindingsOf({ tx, now }, kind === 'service' ? 'service' : 'user', id);
      await endLogins(tx, denials, id, { now, reason: 'user deleted' });
      // An id is never used again, so this denial stays.
      await denials.deny(tx, 'identity', this.#identity({ id, kind }), 'user deleted');
      await tx.deleteFrom('users').where('id', '=', id).execute();
      return { id, name };
    });
  }

  async #disable(tx: Writer, row: UserRow, now: number): Promise<void> {
    await refuseLastAdmin({ tx, now }, { subjectKind: 'user', subject: row.id });
    await tx.updateTable('users').set({ disabled_at: now }).where('id', '=', row.id).execute();
    await endLogins(tx, this.#parts.denials, row.id, { now, reason: 'user disabled' });
    await this.#parts.denials.deny(tx, 'identity', this.#identity(row), 'user disabled');
    await bumpAccessVersion(tx, now);
  }

  async #enable(tx: Writer, row: UserRow, now: number): Promise<void> {
    await tx.updateTable('users').set({ disabled_at: null }).where('id', '=', row.id).execute();
    await this.#parts.denials.lift(tx, 'identity', this.#identity(row));
    await bumpAccessVersion(tx, now);
  }

  #identity({ id, kind }: Pick<UserRow, 'id' | 'kind'>): string {
    return spiffeId(this.#parts.trustDomain, kind === 'service' ? 'service' : 'user', id);
  }
}
