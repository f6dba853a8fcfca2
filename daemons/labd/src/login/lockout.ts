/**
 * Ten failures lock a user out for 15 min, for one address (ID-3): whoever guesses from elsewhere cannot lock the owner
 * out. The counts stand in `settings`, so every replica sees them; their number is bounded: known users have 4,096
 * buckets of addresses each, and all unknown names share 4,096, since a lock on nobody cannot be told from none.
 */
import { createHash } from 'node:crypto';
import type { Reader, Writer } from '@labmesh/store/store';
import { z } from 'zod';
import { parseJson } from '@labmesh/kit/parse-json';
import { addressKey } from '../limits/address-key.ts';

export const lockoutRule = { failuresMax: 10, lockMs: 15 * 60_000 } as const;

const keyStart = 'login-failures/';
const buckets = 4_096;

const countSchema = z.object({ failures: z.int().min(0), lockedUntil: z.number() });
type Count = z.infer<typeof countSchema>;
const none: Count = { failures: 0, lockedUntil: 0 };

/** The row that counts for this user (undefined: no such user, told by name) from this address. */
export function lockoutKey(userId: string | undefined, userName: string, ip: string): string {
  const who = userId === undefined ? userName : '';
  const digest = createHash('sha256')
    .update(`${who}\n${addressKey(ip)}`)
    .digest();
  return `${keyStart}${userId ?? '?'}/${digest.readUInt32BE(0) % buckets}`;
}

async function readCount(db: Reader, key: string, now: number): Promise<Count> {
  const row = await db.selectFrom('settings').select(['value', 'updated_at']).where('key', '=', key).executeTakeFirst();
  if (row === undefined || row.updated_at + lockoutRule.lockMs <= now) return none;
  const read = countSchema.safeParse(parseJson(row.value));
  return read.success ? read.data : none;
}

/** Whether logins under this key are refused now, right or wrong. */
export async function isLockedOut(db: Reader, key: string, now: number): Promise<boolean> {
  return (await readCount(db, key, now)).lockedUntil > now;
}

/** Counts a failure; the tenth locks. Failures under a lock do not prolong it. Also drops what has run out. */
export async function countFailure(tx: Writer, key: string, now: number): Promise<void> {
  const before = await readCount(tx, key, now);
  const locked = before.lockedUntil > now;
  await tx
    .deleteFrom('settings')
    .where('key', 'like', `${keyStart}%`)
    .where('updated_at', '<=', now - lockoutRule.lockMs)
    .execute();
  // A locked attempt writes too, and the same row: it must not be told from others by its duration.
  const failures = locked ? before.failures : before.failures + 1;
  const lockedUntil = locked ? before.lockedUntil : failures >= lockoutRule.failuresMax ? now + lockoutRule.lockMs : 0;
  const updatedAt = locked ? before.lockedUntil - lockoutRule.lockMs : now;
  const value = JSON.stringify({ failures, lockedUntil } satisfies Count);
  await tx
    .insertInto('settings')
    .values({ key, value, updated_at: updatedAt })
    .onConflict((row) => row.column('key').doUpdateSet({ value, updated_at: updatedAt }))
    .execute();
}

/** A login that succeeded starts the count again. */
export async function forgetFailures(tx: Writer, key: string): Promise<void> {
  await tx.deleteFrom('settings').where('key', '=', key).execute();
}
