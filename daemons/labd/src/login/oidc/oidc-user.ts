/**
 * The user behind an OpenID Connect identity. It is found by issuer and subject alone: a name or address is what the
 * person may choose, and must not open somebody else's account. A new one has no rights but those of its groups.
 */
import type { Reader, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import { sha256Hex } from '../secret-text.ts';
import type { OidcIdentity } from './oidc-identity.ts';

/** Hash under which an identity is stored. */
export const identityHash = ({ issuer, subject }: Pick<OidcIdentity, 'issuer' | 'subject'>): string =>
  sha256Hex(`${issuer}\n${subject}`);

/** The user of this identity, made at the first login. @throws FleetError REVOKED when it is disabled. */
export async function userOfIdentity(
  tx: Writer,
  identity: OidcIdentity,
  now: number,
): Promise<{ id: string; name: string; isNew: boolean }> {
  const hash = identityHash(identity);
  const known = await tx
    .selectFrom('user_credentials as credential')
    .innerJoin('users', 'users.id', 'credential.user_id')
    .select(['users.id', 'users.name', 'users.email', 'users.disabled_at'])
    .where('credential.type', '=', 'oidc')
    .where('credential.secret', '=', hash)
    .executeTakeFirst();
  if (known === undefined) return await createUser(tx, identity, hash, now);
  if (known.disabled_at !== null) throw new FleetError('REVOKED', { message: 'this user is disabled' });
  const email = identity.email ?? null;
  if (email !== known.email) await tx.updateTable('users').set({ email }).where('id', '=', known.id).execute();
  return { id: known.id, name: known.name, isNew: false };
}

async function createUser(tx: Writer, identity: OidcIdentity, hash: string, now: number) {
  const id = uuidv7();
  const name = await freeName(tx, identity.name, hash);
  const email = identity.email ?? null;
  await tx.insertInto('users').values({ id, created_at: now, name, kind: 'oidc', email, disabled_at: null }).execute();
  await tx
    .insertInto('user_credentials')
    .values({
      id: uuidv7(),
      created_at: now,
      user_id: id,
      type: 'oidc',
      secret: hash,
      expires_at: null,
      used_at: null,
      counter: null,
    })
    .execute();
  return { id, name, isNew: true };
}

/** The proposed name, or one with a tail when that is taken. Rights are bound to ids, so a name carries none. */
async function freeName(db: Reader, proposed: string | undefined, hash: string): Promise<string> {
  const tail = hash.slice(0, 8);
  const names = proposed === undefined ? [`oidc-${tail}`] : [proposed, `${proposed}-${tail}`];
  for (const name of names) {
    const user = await db.selectFrom('users').select('id').where('name', '=', name).executeTakeFirst();
    if (user === undefined) return name;
  }
  return `oidc-${hash.slice(0, 32)}`;
}
