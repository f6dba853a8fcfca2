/**
 * User tokens (ID-2): one use, 24 h, made by `labctl create user` or `user token`, traded for a first certificate. A new
 * token ends the ones before it. The same token with the same key answers the same for 10 min, as for machines (JT-5):
 * an answer that was lost costs nobody a token.
 */
import type { Clock } from '@labmesh/kit/clock';
import { parseCsr } from '@labmesh/pki/csr';
import type { Reader, Store, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { UserCertificate, UserEnroll } from '@labmesh/wire/fleet/login';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import type { userTokenSchema } from '@labmesh/wire/fleet/resources/people';
import type { z } from 'zod';
import type { Caller, Noted } from './caller.ts';
import { loginCommand, type LoginTarget } from './login-command.ts';
import { makeSecret, readSecret } from './secret-text.ts';
import { certificateNote, type UserCertificates } from './user-certificates.ts';

export const userTokenTtlMs = 24 * 3_600_000;
export const replayMs = 10 * 60_000;

/** A token as it is answered, this once, with the command that uses it. */
export type UserToken = z.input<typeof userTokenSchema>;
/** Makes the user's one token: `tx`, id of the user, Unix ms. */
export type UserTokenIssuer = (tx: Writer, userId: string, now: number) => Promise<UserToken>;

/** Issues tokens whose command names the public URL and the pins as they are then. */
export const userTokenIssuer =
  (target: () => LoginTarget): UserTokenIssuer =>
  async (tx, userId, now) => {
    const { text, hash } = makeSecret('lmu');
    const expiresAt = now + userTokenTtlMs;
    await tx.deleteFrom('user_credentials').where('user_id', '=', userId).where('type', '=', 'enrol-token').execute();
    await tx
      .insertInto('user_credentials')
      .values({
        id: uuidv7(),
        created_at: now,
        user_id: userId,
        type: 'enrol-token',
        secret: hash,
        expires_at: expiresAt,
        used_at: null,
        counter: null,
      })
      .execute();
    return { token: text, expiresAt: timeText(expiresAt), loginCommand: loginCommand(target(), text) };
  };

/** Principal of work that a one-time secret stands for: nobody is known yet. */
const self = system('user-enroll');

export class UserEnrol {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #certificates: UserCertificates;

  constructor(parts: { store: Store; clock: Clock; certificates: UserCertificates }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#certificates = parts.certificates;
  }

  /**
   * @throws FleetError TOKEN_INVALID to whoever has not the right secret, else TOKEN_USED, TOKEN_EXPIRED, REVOKED (a
   * disabled user); KEY_TYPE_REFUSED and VALIDATION_FAILED for the request.
   */
  async enroll(_caller: Caller, request: UserEnroll): Promise<Noted<UserCertificate>> {
    const csr = parseCsr(request.csrPem);
    const read = readSecret('lmu', request.token);
    if (read === undefined) throw new FleetError('TOKEN_INVALID');
    const { user, serial, answer } = await this.#store.write(self, async (tx) => {
      const user = await this.#use(tx, read.hash, csr.keyHash);
      const issuedBy: Principal = { kind: 'user', ...user };
      const grant = {
        user,
        groups: [],
        csr,
        loginExpiresAt: this.#certificates.loginEnd(),
        issuedBy,
      };
      const { serial, ...answer } = await this.#certificates.issue(tx, grant);
      return { user, serial, answer };
    });
    return { answer, note: certificateNote(user, serial, request.device) };
  }

  /** Uses the token up, or lets the key that used it ask again. */
  async #use(tx: Writer, hash: string, keyHash: string): Promise<{ id: string; name: string }> {
    const now = this.#clock.wall();
    // The conditional update comes first: of racing clients the losers wait for it and then see a used token.
    const used = await tx
      .updateTable('user_credentials')
      .set((row) => ({ used_at: now, revision: row('revision', '+', 1) }))
      .where('type', '=', 'enrol-token')
      .where('secret', '=', hash)
      .where('used_at', 'is', null)
      .where('expires_at', '>', now)
      .executeTakeFirst();
    const token = await tx
      .selectFrom('user_credentials as token')
      .innerJoin('users', 'users.id', 'token.user_id')
      .select(['users.id', 'users.name', 'users.disabled_at', 'token.used_at'])
      .where('token.type', '=', 'enrol-token')
      .where('token.secret', '=', hash)
      .executeTakeFirst();
    if (token === undefined) throw new FleetError('TOKEN_INVALID');
    const { id, name } = token;
    if (token.disabled_at !== null) throw new FleetError('REVOKED', { message: 'this user is disabled' });
    if (used.numUpdatedRows === 1n) return { id, name };
    if (token.used_at === null) throw new FleetError('TOKEN_EXPIRED', { hint: 'ask for another: labctl user token' });
    if (token.used_at + replayMs > now && (await madeBy(tx, id, keyHash, token.used_at))) return { id, name };
    throw new FleetError('TOKEN_USED', { hint: 'ask for another: labctl user token' });
  }
}

/** Whether that use of the token was by this key. */
async function madeBy(db: Reader, userId: string, keyHash: string, usedAt: number): Promise<boolean> {
  const row = await db
    .selectFrom('login_sessions')
    .select('id')
    .where('hash', '=', keyHash)
    .where('user_id', '=', userId)
    .where('created_at', '=', usedAt)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}
