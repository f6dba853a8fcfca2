/** Users and the question what somebody may do. */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Policies, Subject, Target } from '../../access/policies.ts';
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import type { FleetView } from '../../hub/fleet-view.ts';
import type { LoginServices } from '../../login/login-services.ts';
import { getUser, listUsers } from '../../login/users/list-users.ts';
import type { HandlersOf } from '../handler.ts';
import type { AnyCall } from './server-handlers.ts';

type Names =
  | 'can-i'
  | 'list-users'
  | 'create-user'
  | 'get-user'
  | 'patch-user'
  | 'delete-user'
  | 'create-user-token'
  | 'set-password'
  | 'set-totp';

export type PeopleHandlerParts = {
  store: Store;
  clock: Clock;
  policies: Policies;
  view: FleetView;
  people: Pick<LoginServices, 'users' | 'access' | 'logins'>;
};

type CanI = Parameters<HandlersOf<'can-i'>['can-i']>[0];

/** Somebody else's rights: their bindings as they stand, and the groups that their newest login told. */
async function subjectOf(call: CanI, { store, clock, people }: PeopleHandlerParts): Promise<Subject> {
  const { as } = call.body;
  if (as === undefined) return call.subject;
  const { id, name } = await getUser(call.caller, store, as, clock.wall());
  return { principal: { kind: 'user', id, name }, groups: await people.logins.groupsOf(id) };
}

async function canI(call: CanI, core: PeopleHandlerParts) {
  const { policies, view } = core;
  const { verb, kind, name, as, account, forward } = call.body;
  if (as !== undefined && !policies.decide(call.subject, 'impersonate', { kind: 'users', name: as }).allowed) {
    throw new FleetError('PERMISSION_DENIED', {
      message: `impersonate on users/${as} denied`,
      hint: 'ask for your own rights: leave --as out',
    });
  }
  const subject = await subjectOf(call, core);
  // Labels of a server count, but only for who may see it.
  const server = kind === 'servers' && name !== undefined ? await view.find(call.caller.principal, name) : undefined;
  const target: Target = {
    kind,
    ...(name !== undefined && { name }),
    ...(server !== undefined && { labels: server.targetLabels }),
  };
  const limit = account !== undefined ? { account } : forward !== undefined ? { forward } : undefined;
  const found = policies.explain(subject, verb, target, limit);
  const { allowed, reason, rule = null, role = null, matched, roles, nearest = null, failed = null } = found;
  return { allowed, reason, rule, role, matched: [...matched], roles: [...roles], nearest, failed };
}

/** One's own, or with update on users. */
function own(call: AnyCall & { subject: Subject }, user: { id: string; name: string }): void {
  const { kind, id } = call.subject.principal;
  if (kind === 'user' && id === user.id) return;
  call.may('update', { kind: 'users', name: user.name });
}

export function peopleHandlers(core: PeopleHandlerParts): HandlersOf<Names> {
  const { store, clock, policies, people } = core;
  const find = async (call: AnyCall) => getUser(call.caller, store, call.params['id'] ?? '', clock.wall());
  const judged = async (call: AnyCall, verb: 'get' | 'update' | 'delete') => {
    const found = await find(call).catch((error: unknown) => {
      // Judged by the name asked for: who may not look learns nothing.
      call.may(verb, { kind: 'users', name: call.params['id'] ?? '' });
      throw error;
    });
    call.may(verb, { kind: 'users', name: found.name });
    call.note({ resource: `user/${found.name}`, resourceId: found.id });
    return found;
  };
  return {
    'can-i': (call) => canI(call, core),
    'list-users': (call) =>
      listUsers(call.caller, store, call.query, {
        may: policies.condition(call.subject, 'list', 'users'),
        now: clock.wall(),
      }),
    'create-user': async (call) => {
      call.may('create', { kind: 'users', name: call.body.name });
      const made = await people.users.create(call.caller, call.body);
      call.note({ resource: `user/${made.user.name}`, resourceId: made.user.id, details: { roles: call.body.roles } });
      await policies.reload();
      return made;
    },
    'get-user': (call) => judged(call, 'get'),
    'patch-user': async (call) => {
      const { id } = await judged(call, 'update');
      call.note({ details: call.body });
      const user = await people.users.patch(call.caller, id, call.body);
      await policies.reload();
      return user;
    },
    'delete-user': async (call) => {
      const { id } = await judged(call, 'delete');
      await people.users.delete(call.caller, id);
      await policies.reload();
      return { ok: true };
    },
    'create-user-token': async (call) => {
      const { id } = await judged(call, 'update');
      return people.access.createToken(call.caller, id);
    },
    'set-password': async (call) => {
      const user = await find(call);
      own(call, user);
      await people.access.setPassword(call.caller, user.id, call.body);
      call.note({ resource: `user/${user.name}`, resourceId: user.id });
      return { ok: true };
    },
    'set-totp': async (call) => {
      const user = await find(call);
      own(call, user);
      call.note({ resource: `user/${user.name}`, resourceId: user.id, details: { enabled: call.body.enabled } });
      return people.access.setTotp(call.caller, user.id, call.body);
    },
  };
}
