/** Columns of users, what they may do, and the tokens they hand out (CT-6). */
import type { bindingSchema, permissionSchema, roleSchema, userSchema } from '@labmesh/wire/fleet/resources/people';
import type { Token } from '@labmesh/wire/fleet/tokens';
import type { z } from 'zod';
import { ago, until } from '../terminal/span.ts';
import type { View } from './column.ts';

const joined = (list: readonly string[]): string | undefined => (list.length === 0 ? undefined : list.join(', '));

export const userView: View<z.infer<typeof userSchema>> = {
  name: ({ name }) => `user/${name}`,
  columns: [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'STATE', value: ({ disabledAt }) => (disabledAt === null ? 'active' : 'disabled'), state: true },
    { header: 'ROLES', value: ({ roles }) => joined(roles) },
    { header: 'EMAIL', value: ({ email }) => email ?? undefined },
    { header: 'CREATED', value: ({ createdAt }, now) => ago(createdAt, now) },
    { header: 'KIND', value: ({ kind }) => kind, wide: true },
    { header: 'PASSWORD', value: ({ hasPassword }) => (hasPassword ? 'yes' : 'no'), wide: true },
    { header: 'TOTP', value: ({ hasTotp }) => (hasTotp ? 'yes' : 'no'), wide: true },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};

export const roleView: View<z.infer<typeof roleSchema>> = {
  name: ({ name }) => `role/${name}`,
  columns: [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'BUILT IN', value: ({ builtIn }) => (builtIn ? 'yes' : 'no') },
    { header: 'RULES', value: ({ rules }) => rules.length },
    { header: 'DESCRIPTION', value: ({ description }) => description ?? undefined },
    { header: 'CREATED', value: ({ createdAt }, now) => ago(createdAt, now), wide: true },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};

export const permissionView: View<z.infer<typeof permissionSchema>> = {
  name: ({ id }) => `permission/${id}`,
  columns: [
    { header: 'ROLE', value: ({ role }) => role },
    { header: 'EFFECT', value: ({ effect }) => effect },
    { header: 'RULE', value: ({ text }) => text },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};

export const bindingView: View<z.infer<typeof bindingSchema>> = {
  name: ({ id }) => `binding/${id}`,
  columns: [
    { header: 'SUBJECT', value: ({ subjectKind, subject }) => `${subjectKind}:${subject}` },
    { header: 'ROLE', value: ({ role }) => role },
    { header: 'EXPIRES', value: ({ expiresAt }, now) => until(expiresAt ?? undefined, now) },
    { header: 'CREATED', value: ({ createdAt }, now) => ago(createdAt, now) },
    // Not only wide: it is the only name that a binding has.
    { header: 'ID', value: ({ id }) => id },
  ],
};

/** Where a token may be used, in the words of its flags. */
function scopeText({ hostname, macs, cidrs, takeover, approve }: Token): string | undefined {
  return joined([
    ...(hostname === null ? [] : [`hostname ${hostname}`]),
    ...(macs.length === 0 ? [] : [`mac ${macs.join(' ')}`]),
    ...(cidrs.length === 0 ? [] : [`from ${cidrs.join(' ')}`]),
    ...(takeover ? ['takeover'] : []),
    ...(approve ? ['approval'] : []),
  ]);
}

export const tokenView: View<Token> = {
  name: ({ prefix }) => `token/${prefix}`,
  columns: [
    { header: 'TOKEN', value: ({ prefix }) => prefix },
    { header: 'STATE', value: ({ state }) => state, state: true },
    { header: 'TYPE', value: ({ type }) => type },
    { header: 'KIND', value: ({ kind }) => kind },
    { header: 'USES', value: ({ uses, maxUses }) => `${uses} of ${maxUses}` },
    { header: 'EXPIRES', value: ({ expiresAt }, now) => until(expiresAt, now) },
    { header: 'BY', value: ({ createdBy }) => createdBy },
    { header: 'ENV', value: ({ environment }) => environment ?? undefined, wide: true },
    { header: 'ROLE', value: ({ role }) => role ?? undefined, wide: true },
    { header: 'SCOPE', value: scopeText, wide: true },
    { header: 'LAST USED', value: ({ usedAt }, now) => ago(usedAt ?? undefined, now), wide: true },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};
