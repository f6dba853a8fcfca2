/** What lets a user in beside a certificate: token, password, one-time codes (ID-2, ID-3). */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { setPasswordSchema, setTotpSchema, totpSchema } from '@labmesh/wire/fleet/resources/people';
import type { z } from 'zod';
import type { Sealer } from '../../secrets/sealer.ts';
import type { Caller } from '../caller.ts';
import { type Denials, endLogins, writeDenials } from '../end-logins.ts';
import { loginFailed, type PasswordLogin } from '../password-login.ts';
import type { Passwords } from '../passwords.ts';
import type { UserToken, UserTokenIssuer } from '../user-enrol.ts';
import { findPerson, isOwn } from './find-person.ts';
import { findUser } from './user-rows.ts';
import { newTotp, readUserSecrets, writeUserSecret } from './user-secrets.ts';
import type { World } from '../../settings/world.ts';

export type UserAccessParts = {
  store: World['store'];
  clock: World['clock'];
  denials: Denials;
  sealer: Sealer;
  passwords: Passwords;
  passwordLogin: PasswordLogin;
  issueToken: UserTokenIssuer;
};

export class UserAccess {
  readonly #parts: UserAccessParts;

  constructor(parts: UserAccessParts) {
    this.#parts = parts;
  }

  /** A new one-time token; earlier ones end. @throws FleetError NOT_FOUND, CONFLICT (disabled, service), ESCALATION. */
  async createToken(caller: Caller, idOrName: string): Promise<UserToken> {
    const { store, clock, issueToken } = this.#parts;
    return await store.write(caller.principal, async (tx) => {
      const now = clock.wall();
      const user = await findPerson(tx, caller, idOrName, now);
      if (user.disabled_at !== null) throw new FleetError('CONFLICT', { message: 'this user is disabled' });
      return await issueToken(tx, user.id, now);
    });
  }

  /**
   * Sets or removes (null) a password. A changed one ends every login of the user but the caller's own (RB-11). One's
   * own needs the current one, where there is one.
   * @throws FleetError NOT_FOUND, VALIDATION_FAILED, UNAUTHENTICATED (the current password), ESCALATION, RATE_LIMITED.
   */
  async setPassword(caller: Caller, idOrName: string, request: z.output<typeof setPasswordSchema>): Promise<void> {
    const { store, clock, denials, passwords } = this.#parts;
    const { user, before } = await store.read(caller.principal, async (db) => {
      const user = await findUser(db, idOrName);
      return { user, before: (await readUserSecrets(db, user.id)).passwordHash };
    });
    if (isOwn(caller, user) && before !== undefined)
      await this.#parts.passwordLogin.confirm(caller, user, request.currentPassword ?? '');
    const hash = request.password === null ? null : await passwords.hash(request.password);
    await writeDenials(this.#parts, caller.principal, async (tx) => {
      const now = clock.wall();
      await findPerson(tx, caller, user.id, now);
      // Changed meanwhile: what was confirmed is not what stands there.
      if ((await readUserSecrets(tx, user.id)).passwordHash !== before) throw loginFailed();
      await writeUserSecret(tx, user.id, 'password', hash === null ? null : { text: hash }, now);
      if (before === undefined) return;
      const keep = isOwn(caller, user) ? { session: caller.session, keyHash: caller.keyHash } : {};
      await endLogins(tx, denials, user.id, { now, reason: 'password changed', keep });
    });
  }

  /**
   * Turns one-time codes on, with a new secret in the answer, this once; or off. @throws FleetError NOT_FOUND,
   * ESCALATION.
   */
  async setTotp(
    caller: Caller,
    idOrName: string,
    request: z.output<typeof setTotpSchema>,
  ): Promise<z.input<typeof totpSchema>> {
    const { store, clock, sealer } = this.#parts;
    return await store.write(caller.principal, async (tx) => {
      const now = clock.wall();
      const user = await findPerson(tx, caller, idOrName, now);
      const made = request.enabled ? newTotp(sealer, user.name) : null;
      await writeUserSecret(tx, user.id, 'totp', made, now);
      return { uri: made?.uri ?? null };
    });
  }
}
