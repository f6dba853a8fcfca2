/** Who holds which role (RB-6). Users are bound by id, so a name used again inherits nothing. */
import type { subjectKinds } from '@labmesh/wire/fleet/resources/people';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import { type Change, readableRules, refuseEscalation, refuseLastAdmin, roleRules } from './access-change.ts';
import { bumpAccessVersion } from './access-version.ts';
import type { Subject } from './load-policies.ts';
import { findRole, liftedBy } from './roles.ts';

export type SubjectKind = (typeof subjectKinds)[number];
/** `subject` is a user's id, a group's name or a service's id; `subjectName` is what people call it. */
export type BindingRecord = {
  id: string;
  subjectKind: SubjectKind;
  subject: string;
  subjectName: string;
  role: string;
  expiresAt: number | null;
  createdAt: number;
};
export type BindingInput = {
  subjectKind: SubjectKind;
  /** A user's or service's id or name; a group's name. */
  subject: string;
  /** Role, by id or name. */
  role: string;
  /** Unix ms. */
  expiresAt?: number | undefined;
};

async function resolveSubject({ tx }: Change, kind: SubjectKind, subject: string) {
  // Groups are what a login tells: nobody keeps a list of them.
  if (kind === 'group') return { id: subject, name: subject };
  const all = tx
    .selectFrom('users')
    .select(['id', 'name'])
    .where('kind', kind === 'service' ? '=' : '!=', 'service');
  const user =
    (await all.where('id', '=', subject).executeTakeFirst()) ??
    (await all.where('name', '=', subject).executeTakeFirst());
  if (user === undefined)
    throw new FleetError('VALIDATION_FAILED', { field: 'subject', message: `subject: there is no such ${kind}` });
  return user;
}

/** @throws FleetError VALIDATION_FAILED (subject, expiresAt), NOT_FOUND (role), CONFLICT (bound already), ESCALATION. */
export async function createBinding(subject: Subject, change: Change, input: BindingInput): Promise<BindingRecord> {
  const { tx, now } = change;
  const role = await findRole(change, input.role);
  const holder = await resolveSubject(change, input.subjectKind, input.subject);
  if (input.expiresAt !== undefined && input.expiresAt <= now)
    throw new FleetError('VALIDATION_FAILED', { field: 'expiresAt', message: 'expiresAt: is in the past' });
  await refuseEscalation(subject, change, {
    role: role.name,
    grants: readableRules(await roleRules(change, role.id)),
  });
  const same = tx.selectFrom('user_roles').select(['id', 'expires_at']);
  const there = await same
    .where('subject_kind', '=', input.subjectKind)
    .where('subject', '=', holder.id)
    .where('role_id', '=', role.id)
    .executeTakeFirst();
  // A lapsed binding is nobody's: it makes room.
  if (there !== undefined && (there.expires_at === null || there.expires_at > now))
    throw new FleetError('CONFLICT', { message: `${holder.name} holds the role ${role.name} already` });
  if (there !== undefined) await tx.deleteFrom('user_roles').where('id', '=', there.id).execute();
  const id = uuidv7();
  const expiresAt = input.expiresAt ?? null;
  await tx
    .insertInto('user_roles')
    .values({
      id,
      created_at: now,
      subject_kind: input.subjectKind,
      subject: holder.id,
      role_id: role.id,
      expires_at: expiresAt,
    })
    .execute();
  await bumpAccessVersion(tx, now);
  const { subjectKind } = input;
  return { id, subjectKind, subject: holder.id, subjectName: holder.name, role: role.name, expiresAt, createdAt: now };
}

/** A binding by id. @throws FleetError NOT_FOUND. */
export async function findBinding({ tx }: Change, id: string): Promise<BindingRecord> {
  const row = await tx
    .selectFrom('user_roles')
    .innerJoin('roles', 'roles.id', 'user_roles.role_id')
    .leftJoin('users', 'users.id', 'user_roles.subject')
    .select(['user_roles.id', 'subject_kind', 'subject', 'expires_at', 'user_roles.created_at'])
    .select(['roles.name as role', 'users.name as user_name'])
    .where('user_roles.id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw new FleetError('NOT_FOUND');
  return {
    id: row.id,
    subjectKind: row.subject_kind as SubjectKind,
    subject: row.subject,
    subjectName: row.user_name ?? row.subject,
    role: row.role,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  };
}

/**
 * Ends a binding. `may` judges it by its holder's name, an unknown one by what was asked for.
 * @throws FleetError NOT_FOUND, LAST_ADMIN, ESCALATION (the role holds denies that would be lifted), and what `may` throws.
 */
export async function deleteBinding(
  subject: Subject,
  change: Change,
  id: string,
  may: (name: string) => void,
): Promise<BindingRecord> {
  const { tx, now } = change;
  const binding = await findBinding(change, id).catch((error: unknown) => {
    may(id);
    throw error;
  });
  may(binding.subjectName);
  await refuseLastAdmin(change, { bindingId: id });
  const role = await findRole(change, binding.role);
  await refuseEscalation(subject, change, { role: role.name, grants: [], ...(await liftedBy(change, role.id)) });
  await tx.deleteFrom('user_roles').where('id', '=', id).execute();
  await bumpAccessVersion(tx, now);
  return binding;
}

/** Ends all bindings of a user that is deleted. @throws FleetError LAST_ADMIN. */
export async function deleteBindingsOf(change: Change, subjectKind: SubjectKind, subject: string): Promise<void> {
  const { tx, now } = change;
  await refuseLastAdmin(change, { subjectKind, subject });
  await tx.deleteFrom('user_roles').where('subject_kind', '=', subjectKind).where('subject', '=', subject).execute();
  await bumpAccessVersion(tx, now);
}
