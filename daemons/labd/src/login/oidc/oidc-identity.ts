/** Who a provider says somebody is: claims, bounded and checked. */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { z } from 'zod';

export type OidcIdentity = {
  issuer: string;
  subject: string;
  /** A proposal for the user's name; never what they are recognised by. */
  name: string | undefined;
  email: string | undefined;
  groups: string[];
};

const groupsMax = 256;
const groupField = z.string().min(1).max(253);
/** Some providers give a lone group as a text. */
const groupsField = z.union([z.array(groupField).max(groupsMax), groupField.transform((one) => [one])]).default([]);

const claimsSchema = z.object({
  iss: z.string().min(1).max(2_048),
  sub: z.string().min(1).max(255),
  preferred_username: z.string().max(253).optional().catch(undefined),
  email: z.email().max(253).optional().catch(undefined),
});

/** Letters, digits, dots and dashes of a name as others write it; undefined when nothing is left. */
export function plainName(text: string): string | undefined {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/@.*$/s, '')
    .replace(/[^a-z0-9.-]+/g, '-')
    .slice(0, 64)
    .replace(/^[.-]+|[.-]+$/g, '');
  return plain === '' ? undefined : plain;
}

/**
 * The identity in verified claims. A list of groups that is too long or malformed is refused, not cut: a deny may hang
 * on the part that was cut.
 * @throws FleetError UNAUTHENTICATED.
 */
export function readIdentity(claims: Readonly<Record<string, unknown>>, groupsClaim: string): OidcIdentity {
  const read = claimsSchema.safeParse(claims);
  const groups = groupsField.safeParse(claims[groupsClaim] ?? undefined);
  if (!read.success)
    throw new FleetError('UNAUTHENTICATED', { log: 'OpenID Connect: claims without issuer or subject' });
  if (!groups.success) {
    const message = `the identity provider's list of groups cannot be used: at most ${groupsMax} names`;
    throw new FleetError('UNAUTHENTICATED', { message });
  }
  const { iss, sub, preferred_username, email } = read.data;
  const name = plainName(preferred_username ?? '') ?? plainName(email ?? '');
  return { issuer: iss, subject: sub, name, email, groups: [...new Set(groups.data)] };
}
