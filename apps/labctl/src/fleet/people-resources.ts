/** Users, roles, rules and who holds them, as `get` and `describe` show them. */
import type { bindingSchema, permissionSchema, roleSchema, userSchema } from '@labmesh/wire/fleet/resources/people';
import { type Token, tokenKinds, tokenStates } from '@labmesh/wire/fleet/tokens';
import type { z } from 'zod';
import type { LabdClient } from '../client/labd-client.ts';
import { bindingView, permissionView, roleView, tokenView, userView } from '../output/people-views.ts';
import { LabdError } from '../client/labd-error.ts';
import { ago, until } from '../terminal/span.ts';
import { moment, oneOf, pick, type Resource } from './resource.ts';

type Binding = z.infer<typeof bindingSchema>;

const bindingText = ({ subjectKind, subject, role, expiresAt }: Binding, now: number) =>
  `${subjectKind}:${subject} → ${role}${expiresAt === null ? '' : `, ends ${until(expiresAt, now)}`}`;

/** Bindings that match; who may not list them is told so in their place. */
async function bindingsOf(labd: LabdClient, isIt: (binding: Binding) => boolean): Promise<Binding[] | null> {
  try {
    const { items } = await labd.listAll('list-bindings');
    return items.filter(isIt);
  } catch (error) {
    if (error instanceof LabdError && (error.status === 403 || error.status === 404)) return null;
    throw error;
  }
}
const bindingLines = (bindings: readonly Binding[] | null, now: number) =>
  bindings === null ? 'you may not list them' : bindings.map((binding) => bindingText(binding, now));

export const userResource: Resource<z.infer<typeof userSchema>> = {
  type: 'user',
  view: userView,
  filters: ['match'],
  list: (labd, { match }) => labd.listAll('list-users', { query: { q: match } }),
  get: (labd, name) => labd.call('get-user', { params: { id: name } }),
  async describe(labd, user, now) {
    const isIt = ({ subjectKind, subject }: Binding) => subjectKind === 'user' && subject === user.name;
    const bindings = await bindingsOf(labd, isIt);
    return {
      object: user,
      fields: [
        ['Name', user.name],
        ['Id', user.id],
        ['Kind', user.kind],
        ['State', user.disabledAt === null ? 'active' : `disabled ${ago(user.disabledAt, now)}`],
        ['Email', user.email],
        ['Roles', user.roles],
        ['Bindings', bindingLines(bindings, now)],
        ['Password', user.hasPassword ? 'set' : 'none'],
        ['One-time codes', user.hasTotp ? 'on' : 'off'],
        ['Created', moment(user.createdAt, now)],
      ],
    };
  },
};

export const roleResource: Resource<z.infer<typeof roleSchema>> = {
  type: 'role',
  view: roleView,
  filters: ['match'],
  list: (labd, { match }) => labd.listAll('list-roles', { query: { q: match } }),
  get: (labd, name) => labd.call('get-role', { params: { id: name } }),
  async describe(labd, role, now) {
    const bindings = await bindingsOf(labd, (binding) => binding.role === role.name);
    return {
      object: role,
      fields: [
        ['Name', role.name],
        ['Id', role.id],
        ['Description', role.description],
        ['Built in', role.builtIn ? 'yes' : 'no'],
        ['Rules', role.rules],
        ['Held by', bindingLines(bindings, now)],
        ['Created', moment(role.createdAt, now)],
        ['Revision', role.revision],
      ],
    };
  },
};

export const permissionResource: Resource<z.infer<typeof permissionSchema>> = {
  type: 'permission',
  view: permissionView,
  filters: ['role'],
  async list(labd, { role }) {
    const all = await labd.listAll('list-permissions');
    return role === undefined ? all : { items: all.items.filter((each) => each.role === role), nextCursor: null };
  },
  get: async (labd, name) =>
    pick((await labd.listAll('list-permissions')).items, 'permission', name, ({ id }) => id === name),
  describe(_labd, rule) {
    return {
      object: rule,
      fields: [
        ['Id', rule.id],
        ['Role', rule.role],
        ['Rule', rule.text],
        ['Effect', rule.effect],
        ['Verbs', rule.verbs.join(', ')],
        ['Kinds', rule.kinds.join(', ')],
        ['Name', rule.name],
        ['Where', rule.selector],
        ['As', rule.limits],
      ],
    };
  },
};

export const bindingResource: Resource<Binding> = {
  type: 'binding',
  view: bindingView,
  filters: ['role', 'match'],
  async list(labd, { role, match }) {
    const { items } = await labd.listAll('list-bindings');
    const fits = (each: Binding) =>
      (role === undefined || each.role === role) && (match === undefined || each.subject.includes(match));
    return { items: items.filter(fits), nextCursor: null };
  },
  get: async (labd, name) =>
    pick((await labd.listAll('list-bindings')).items, 'binding', name, ({ id }) => id === name),
  describe(_labd, binding, now) {
    return {
      object: binding,
      fields: [
        ['Id', binding.id],
        ['Subject', `${binding.subjectKind}:${binding.subject}`],
        ['Role', binding.role],
        ['Expires', binding.expiresAt === null ? null : `${binding.expiresAt} (${until(binding.expiresAt, now)})`],
        ['Created', moment(binding.createdAt, now)],
      ],
    };
  },
};

export const tokenResource: Resource<Token> = {
  type: 'token',
  view: tokenView,
  filters: ['status', 'kind'],
  list: (labd, { status, kind }) =>
    labd.listAll('list-tokens', {
      query: { state: oneOf('status', status, tokenStates), kind: oneOf('kind', kind, tokenKinds) },
    }),
  get: (labd, name) => labd.call('get-token', { params: { id: name } }),
  describe(_labd, token, now) {
    return {
      object: token,
      fields: [
        ['Token', token.prefix],
        ['Id', token.id],
        ['State', token.state],
        ['Type', token.type],
        ['For', token.kind],
        ['Uses', `${token.uses} of ${token.maxUses}`],
        ['Expires', `${token.expiresAt} (${until(token.expiresAt, now)})`],
        ['Created by', token.createdBy],
        ['Created', moment(token.createdAt, now)],
        ['Last used', moment(token.usedAt, now)],
        ['Revoked', moment(token.revokedAt, now)],
        ['Labels', token.labels],
        ['Environment', token.environment],
        ['Role', token.role],
        ['Cloud', token.cloud],
        ['Host names', token.hostname],
        ['MACs', token.macs],
        ['Networks', token.cidrs],
        ['Takeover', token.takeover ? 'yes' : 'no'],
        ['Approval', token.approve ? 'needed' : 'not needed'],
      ],
    };
  },
};
