/**
 * Whom the caller may let in: themselves, or a person who holds no more than they do. Whoever sets another's password,
 * token or codes could log in as them, which would be a grant by the back door (RB-6).
 */
import type { Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { readableRules, refuseEscalation, roleRules } from '../../access/access-change.ts';
import type { Caller } from '../caller.ts';
import { findUser, type UserRow } from './user-rows.ts';

/** Whether the caller asks about themselves. */
export const isOwn = ({ principal }: Caller, user: { id: string }): boolean =>
  principal.kind === 'user' && principal.id === user.id;

/** @throws FleetError NOT_FOUND, CONFLICT (a service), ESCALATION. */
export async function findPerson(tx: Writer, caller: Caller, idOrName: string, now: number): Promise<UserRow> {
  const user = await findUser(tx, idOrName);
  if (user.kind === 'service')
    throw new FleetError('CONFLICT', { message: 'a service joins with `labctl create token --kind service`' });
  if (!isOwn(caller, user)) await refuseTakeover(tx, caller, user.id, now);
  return user;
}

/** Bindings that have lapsed count too: they may be renewed while the secret lives. */
async function refuseTakeover(tx: Writer, caller: Caller, userId: string, now: number): Promise<void> {
  const roles = await tx
    .selectFrom('user_roles')
    .innerJoin('roles', 'roles.id', 'user_roles.role_id')
    .select(['roles.id', 'roles.name'])
    .where('user_roles.subject_kind', '=', 'user')
    .where('user_roles.subject', '=', userId)
    .execute();
  for (const { id, name } of roles) {
    const grants = readableRules(await roleRules({ tx }, id));
    await refuseEscalation(caller, { tx, now }, { role: name, grants });
  }
}
