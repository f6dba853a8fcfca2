/** Roles, their rules, and who holds them (RB-1 … RB-7). */
import { page } from '@labmesh/store/page';
import type { Store, Writer } from '@labmesh/store/store';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import { type BindingRecord, createBinding, deleteBinding } from '../../access/bindings.ts';
import { createRole, deleteRole, findRole, type RoleRecord, updateRole } from '../../access/roles.ts';
import type { Clock } from '@labmesh/kit/clock';
import type { Policies } from '../../access/policies.ts';
import type { Call, HandlersOf } from '../handler.ts';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';

type Names =
  | 'list-roles'
  | 'create-role'
  | 'get-role'
  | 'put-role'
  | 'delete-role'
  | 'list-permissions'
  | 'list-bindings'
  | 'create-binding'
  | 'delete-binding';

export type RoleHandlerParts = { store: Store; clock: Clock; policies: Policies };

const showRole = (role: RoleRecord) => ({
  id: role.id,
  name: role.name,
  description: role.description,
  builtIn: role.builtIn,
  rules: role.rules,
  createdAt: timeText(role.createdAt),
  revision: role.revision,
});

const showBinding = (binding: BindingRecord) => ({
  id: binding.id,
  subjectKind: binding.subjectKind,
  subject: binding.subjectName,
  role: binding.role,
  expiresAt: timeTextOrNull(binding.expiresAt),
  createdAt: timeText(binding.createdAt),
});

type Acting = Pick<Call<FleetOperation>, 'caller' | 'subject' | 'may' | 'note' | 'params'>;

/** Works in one transaction; the new rules hold here at once and elsewhere within a second (RB-11). */
async function changing<T>(
  call: Acting,
  { store, clock, policies }: RoleHandlerParts,
  work: (change: { tx: Writer; now: number }) => Promise<T>,
): Promise<T> {
  const done = await store.write(call.caller.principal, (tx) => work({ tx, now: clock.wall() }));
  await policies.reload();
  return done;
}

/** The role that a path names, by id or name, judged. */
async function roleFor(
  call: Acting,
  { store }: RoleHandlerParts,
  verb: 'get' | 'update' | 'delete',
): Promise<RoleRecord> {
  const ref = call.params['id'] ?? '';
  const found = await store
    .read(call.caller.principal, (tx) => findRole({ tx }, ref))
    .catch((error: unknown) => {
      call.may(verb, { kind: 'roles', name: ref });
      throw error;
    });
  call.may(verb, { kind: 'roles', name: found.name });
  call.note({ resource: `role/${found.name}`, resourceId: found.id });
  return found;
}

async function listRoles(
  call: Parameters<HandlersOf<'list-roles'>['list-roles']>[0],
  { store, policies }: RoleHandlerParts,
) {
  const { limit, cursor, q } = call.query;
  const may = policies.condition(call.subject, 'list', 'roles');
  const found = await store.read(call.caller.principal, async (tx) => {
    let rows = tx
      .selectFrom('roles')
      .selectAll()
      .where(may.where({ name: 'roles.name' }));
    if (q !== undefined) rows = rows.where('name', 'like', `%${q.toLowerCase().replace(/[%\\_]/g, '')}%`);
    const one = await page(rows, { list: 'roles', by: [{ column: 'name', type: 'text' }], limit, cursor });
    const items = [];
    for (const row of one.items) items.push(await findRole({ tx }, row.id));
    return { items, nextCursor: one.nextCursor };
  });
  return { items: found.items.map(showRole), nextCursor: found.nextCursor };
}

async function listPermissions(
  call: Parameters<HandlersOf<'list-permissions'>['list-permissions']>[0],
  { store, policies }: RoleHandlerParts,
) {
  const { limit, cursor } = call.query;
  // A rule has no name of its own: it is its role's.
  const may = policies.condition(call.subject, 'list', 'permissions').where({ name: 'rows.role' });
  const found = await store.read(call.caller.principal, (db) =>
    page(
      db
        .selectFrom(
          db
            .selectFrom('permissions')
            .innerJoin('roles', 'roles.id', 'permissions.role_id')
            .selectAll('permissions')
            .select('roles.name as role')
            .as('rows'),
        )
        .selectAll()
        .where(may),
      { list: 'permissions', by: [{ column: 'id', type: 'text' }], limit, cursor },
    ),
  );
  const items = found.items.map(({ id, role, effect, verbs, kinds, name_glob: name, selector, limits, text }) => ({
    id,
    role,
    effect,
    verbs: JSON.parse(verbs) as string[],
    kinds: JSON.parse(kinds) as string[],
    name,
    selector,
    limits,
    text,
  }));
  return { items, nextCursor: found.nextCursor };
}

async function listBindings(
  call: Parameters<HandlersOf<'list-bindings'>['list-bindings']>[0],
  { store, policies }: RoleHandlerParts,
) {
  const { limit, cursor } = call.query;
  const may = policies.condition(call.subject, 'list', 'bindings').where({ name: 'rows.holder' });
  const found = await store.read(call.caller.principal, (db) =>
    page(
      db
        .selectFrom(
          db
            .selectFrom('user_roles')
            .innerJoin('roles', 'roles.id', 'user_roles.role_id')
            .leftJoin('users', 'users.id', 'user_roles.subject')
            .select(['user_roles.id', 'subject_kind', 'subject', 'expires_at', 'user_roles.created_at'])
            .select('roles.name as role')
            .select((eb) => eb.fn.coalesce('users.name', 'user_roles.subject').as('holder'))
            .as('rows'),
        )
        .selectAll()
        .where(may),
      { list: 'bindings', by: [{ column: 'id', type: 'text' }], limit, cursor },
    ),
  );
  const items = found.items.map((row) => ({
    id: row.id,
    subjectKind: row.subject_kind as 'user' | 'group' | 'service',
    subject: row.holder,
    role: row.role,
    expiresAt: timeTextOrNull(row.expires_at),
    createdAt: timeText(row.created_at),
  }));
  return { items, nextCursor: found.nextCursor };
}

export function roleHandlers(core: RoleHandlerParts): HandlersOf<Names> {
  return {
    'list-roles': (call) => listRoles(call, core),
    'create-role': async (call) => {
      call.may('create', { kind: 'roles', name: call.body.name });
      const role = await changing(call, core, (change) => createRole(call.subject, change, call.body));
      call.note({ resource: `role/${role.name}`, resourceId: role.id, details: { rules: role.rules } });
      return showRole(role);
    },
    'get-role': async (call) => showRole(await roleFor(call, core, 'get')),
    'put-role': async (call) => {
      const { id } = await roleFor(call, core, 'update');
      const role = await changing(call, core, (change) => updateRole(call.subject, change, id, call.body));
      call.note({ details: { rules: role.rules } });
      return showRole(role);
    },
    'delete-role': async (call) => {
      const { id } = await roleFor(call, core, 'delete');
      await changing(call, core, (change) => deleteRole(call.subject, change, id));
      return { ok: true };
    },
    'list-permissions': (call) => listPermissions(call, core),
    'list-bindings': (call) => listBindings(call, core),
    'create-binding': async (call) => {
      const { expiresAt, ...rest } = call.body;
      const input = { ...rest, ...(expiresAt !== undefined && { expiresAt: Date.parse(expiresAt) }) };
      const binding = await changing(call, core, async (change) => {
        const made = await createBinding(call.subject, change, input);
        // Only now the holder's name is known; a refusal takes the row back.
        call.may('create', { kind: 'bindings', name: made.subjectName });
        return made;
      });
      call.note({
        resource: `binding/${binding.id}`,
        resourceId: binding.id,
        details: { subject: binding.subjectName, role: binding.role },
      });
      return showBinding(binding);
    },
    'delete-binding': async (call) => {
      const may = (name: string) => call.may('delete', { kind: 'bindings', name });
      const binding = await changing(call, core, (change) =>
        deleteBinding(call.subject, change, call.params['id'] ?? '', may),
      );
      call.note({
        resource: `binding/${binding.id}`,
        resourceId: binding.id,
        details: { subject: binding.subjectName, role: binding.role },
      });
      return { ok: true };
    },
  };
}
