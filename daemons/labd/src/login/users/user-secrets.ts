/** A user's password hash and one-time-code secret in the store: `user_credentials`, one row each. */
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Sealer } from '../../secrets/sealer.ts';
import { matchTotp, newTotpSecret, totpUri } from './totp.ts';

export type TotpRow = { id: string; secret: string; counter: number | null };
export type UserSecrets = { passwordHash: string | undefined; totp: TotpRow | undefined };

/** Both, where they are set. */
export async function readUserSecrets(db: Reader, userId: string): Promise<UserSecrets> {
  const rows = await db
    .selectFrom('user_credentials')
    .select(['id', 'type', 'secret', 'counter'])
    .where('user_id', '=', userId)
    .where('type', 'in', ['password', 'totp'])
    .execute();
  const ofType = (type: string) => rows.find((row) => row.type === type);
  return { passwordHash: ofType('password')?.secret, totp: ofType('totp') };
}

/** Puts `secret` in place of what was there; null removes it. `id` matters where the secret is sealed to its row. */
export async function writeUserSecret(
  tx: Writer,
  userId: string,
  type: 'password' | 'totp',
  secret: { id?: string; text: string } | null,
  now: number,
): Promise<void> {
  await tx.deleteFrom('user_credentials').where('user_id', '=', userId).where('type', '=', type).execute();
  if (secret === null) return;
  await tx
    .insertInto('user_credentials')
    .values({
      id: secret.id ?? uuidv7(),
      created_at: now,
      user_id: userId,
      type,
      secret: secret.text,
      expires_at: null,
      used_at: null,
      counter: null,
    })
    .execute();
}

/** A new TOTP secret: sealed to its row to be, and as the address to show once. */
export function newTotp(sealer: Sealer, userName: string): { id: string; text: string; uri: string } {
  const id = uuidv7();
  const secret = newTotpSecret();
  return { id, text: sealer.seal('user_credentials', id, 'secret', secret), uri: totpUri(secret, userName) };
}

/** Whether the code is right, never taken before, and from now on used up: the step is written in the transaction. */
export async function useTotp(
  tx: Writer,
  sealer: Sealer,
  row: TotpRow,
  code: string | undefined,
  now: number,
): Promise<boolean> {
  const secret = sealer.open('user_credentials', row.id, 'secret', row.secret);
  const step = matchTotp(secret, code ?? '', now, row.counter);
  if (step === undefined) return false;
  const used = await tx
    .updateTable('user_credentials')
    .set({ counter: step, used_at: now })
    .where('id', '=', row.id)
    .where((row) => row.or([row('counter', 'is', null), row('counter', '<', step)]))
    .executeTakeFirst();
  return used.numUpdatedRows === 1n;
}
