/** Users as rows and as the API shows them. */
import type { Reader } from '@labmesh/store/store';
import type { UsersTable } from '@labmesh/store/tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import type { User } from '@labmesh/wire/fleet/resources/people';
import type { Selectable } from 'kysely';

export type UserRow = Selectable<UsersTable>;

/** A user by id or name. @throws FleetError NOT_FOUND. */
export async function findUser(db: Reader, idOrName: string): Promise<UserRow> {
  const row = await db
    .selectFrom('users')
    .selectAll()
    .where((on) => on.or([on('id', '=', idOrName), on('name', '=', idOrName)]))
    .executeTakeFirst();
  if (row === undefined) throw new FleetError('NOT_FOUND');
  return row;
}

/** Rows with the roles bound to each, live ones, and which secrets are set. */
export async function presentUsers(db: Reader, rows: readonly UserRow[], now: number): Promise<User[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const bound = await db
    .selectFrom('user_roles')
    .innerJoin('roles', 'roles.id', 'user_roles.role_id')
    .select(['user_roles.subject', 'user_roles.expires_at', 'roles.name'])
    .where('user_roles.subject_kind', 'in', ['user', 'service'])
    .where('user_roles.subject', 'in', ids)
    .orderBy('roles.name')
    .execute();
  const set = await db
    .selectFrom('user_credentials')
    .select(['user_id', 'type'])
    .where('user_id', 'in', ids)
    .where('type', 'in', ['password', 'totp'])
    .execute();
  const has = (userId: string, type: string) => set.some((row) => row.user_id === userId && row.type === type);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    kind: row.kind,
    email: row.email,
    roles: bound
      .filter((one) => one.subject === row.id && (one.expires_at === null || one.expires_at > now))
      .map((one) => one.name),
    hasPassword: has(row.id, 'password'),
    hasTotp: has(row.id, 'totp'),
    disabledAt: timeTextOrNull(row.disabled_at),
    createdAt: timeText(row.created_at),
    revision: row.revision,
  }));
}

/** One user. */
export async function presentUser(db: Reader, row: UserRow, now: number): Promise<User> {
  const [user] = await presentUsers(db, [row], now);
  if (user === undefined) throw new TypeError('a row gives a user');
  return user;
}
