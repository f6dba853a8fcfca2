/** Roles, rules and bindings as lists, page by page (AP-3). What the caller may see comes in as a condition. */
import { type Page, page } from '@labmesh/store/page';
import type { Reader } from '@labmesh/store/store';
import { type Expression, sql, type SqlBool } from 'kysely';
import type { BindingRecord, SubjectKind } from './bindings.ts';
import type { RoleRecord } from './roles.ts';
import type { RuleRow } from './rule-rows.ts';

export type AccessListQuery = {
  limit: number;
  cursor?: string | undefined;
  /** Part of the role's name. */
  q?: string | undefined;
  /** From `policies.condition(…).where({ name: 'roles.name' })`. Default: everything. */
  visible?: Expression<SqlBool>;
};

const filterOf = ({ q, visible }: AccessListQuery): Expression<SqlBool> => {
  const shown = visible ?? sql<SqlBool>`1 = 1`;
  if (q === undefined) return shown;
  const like = `%${q.replace(/[\\%_]/g, (letter) => `\\${letter}`)}%`;
  return sql<SqlBool>`(${shown} and roles.name like ${like} escape '\\')`;
};

/** Roles by name, each with its rules in written order. */
export async function listRoles(db: Reader, query: AccessListQuery): Promise<Page<RoleRecord>> {
  const { items, nextCursor } = await page(db.selectFrom('roles').selectAll().where(filterOf(query)), {
    list: 'roles by name',
    by: [{ column: 'name', type: 'text' }],
    limit: query.limit,
    cursor: query.cursor,
  });
  const ids = items.map(({ id }) => id);
  const rules =
    ids.length === 0
      ? []
      : await db
          .selectFrom('permissions')
          .select(['role_id', 'text'])
          .where('role_id', 'in', ids)
          .orderBy('id')
          .execute();
  const byRole = Map.groupBy(rules, (rule) => rule.role_id);
  const records = items.map(({ id, name, description, built_in: builtIn, created_at: createdAt, revision }) => ({
    id,
    name,
    description,
    builtIn: builtIn === 1,
    rules: (byRole.get(id) ?? []).map(({ text }) => text),
    createdAt,
    revision,
  }));
  return { items: records, nextCursor };
}

/** All rules of all roles, with the role's name. */
export function listPermissions(db: Reader, query: AccessListQuery): Promise<Page<RuleRow & { role: string }>> {
  const rows = db
    .selectFrom('permissions')
    .innerJoin('roles', 'roles.id', 'permissions.role_id')
    .selectAll('permissions')
    .select('roles.name as role')
    .where(filterOf(query));
  const by = [{ column: 'permissions.id', type: 'text' as const }];
  return page(rows, { list: 'permissions by id', by, limit: query.limit, cursor: query.cursor });
}

/** Who holds which role, oldest first; lapsed bindings are left out. */
export async function listBindings(db: Reader, query: AccessListQuery & { now: number }): Promise<Page<BindingRecord>> {
  const rows = db
    .selectFrom('user_roles')
    .innerJoin('roles', 'roles.id', 'user_roles.role_id')
    .leftJoin('users', 'users.id', 'user_roles.subject')
    .select(['user_roles.id', 'subject_kind', 'subject', 'expires_at', 'user_roles.created_at'])
    .select(['roles.name as role', 'users.name as user_name'])
    .where(filterOf(query))
    .where((on) => on.or([on('expires_at', 'is', null), on('expires_at', '>', query.now)]));
  const by = [{ column: 'user_roles.id', type: 'text' as const }];
  const found = await page(rows, { list: 'bindings by id', by, limit: query.limit, cursor: query.cursor });
  const items = found.items.map((row) => ({
    id: row.id,
    subjectKind: row.subject_kind as SubjectKind,
    subject: row.subject,
    subjectName: row.user_name ?? row.subject,
    role: row.role,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  }));
  return { items, nextCursor: found.nextCursor };
}
