/**
 * Ends what a user holds (RB-11, CA-8): sessions at once by their row, certificates by the deny list, which cuts open
 * connections on every replica.
 */
import type { Store, Writer } from '@labmesh/store/store';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { DenyList } from '../ca/deny-list.ts';

export type Denials = Pick<DenyList, 'deny' | 'lift' | 'written'>;

/** A transaction that may deny or lift: its own replica looks at once, the others when they are told (CA-8). */
export async function writeDenials<T>(
  parts: { store: Store; denials: Denials },
  principal: Principal,
  work: (tx: Writer) => Promise<T>,
): Promise<T> {
  const result = await parts.store.write(principal, work);
  await parts.denials.written();
  return result;
}

/** What the one who asks holds himself, and keeps. */
export type Kept = { session?: string | undefined; keyHash?: string | undefined };

type Subject = { kind: string; id: string };

/** Revokes the live certificates of an identity; returns their serials. */
export async function revokeCertificates(
  tx: Writer,
  denials: Denials,
  subject: Subject,
  options: { now: number; reason: string; keepKey?: string | undefined },
): Promise<string[]> {
  const live = await tx
    .selectFrom('certificates')
    .select('id')
    .where('kind', '=', subject.kind)
    .where('subject_id', '=', subject.id)
    .where('revoked_at', 'is', null)
    .where('not_after', '>', options.now)
    .where('key_hash', '!=', options.keepKey ?? '')
    .execute();
  const serials = live.map(({ id }) => id);
  if (serials.length === 0) return serials;
  await tx.updateTable('certificates').set({ revoked_at: options.now }).where('id', 'in', serials).execute();
  for (const serial of serials) await denials.deny(tx, 'serial', serial, options.reason);
  return serials;
}

/** Ends a user's logins, sessions and certificates alike, but those to keep. */
export async function endLogins(
  tx: Writer,
  denials: Denials,
  userId: string,
  options: { now: number; reason: string; keep?: Kept | undefined },
): Promise<void> {
  const { now, reason, keep = {} } = options;
  await tx
    .updateTable('login_sessions')
    .set({ revoked_at: now })
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .where('id', '!=', keep.session ?? '')
    .where('hash', '!=', keep.keyHash ?? '')
    .execute();
  await revokeCertificates(tx, denials, { kind: 'user', id: userId }, { now, reason, keepKey: keep.keyHash });
}
