/**
 * Login by name, password and one-time code (ID-3). All failures look and last alike: unknown user, wrong password,
 * wrong or missing code, disabled, locked out, no password set. Each costs one argon2id and one transaction that writes
 * one count, and gives the same UNAUTHENTICATED.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Reader, Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { LoggedIn, Login } from '@labmesh/wire/fleet/login';
import { system } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';
import type { Caller, Noted } from './caller.ts';
import { countFailure, forgetFailures, isLockedOut, lockoutKey } from './lockout.ts';
import type { LoginSessions } from './login-sessions.ts';
import type { Passwords } from './passwords.ts';
import { readUserSecrets, type UserSecrets, useTotp } from './users/user-secrets.ts';

type FoundUser = UserSecrets & { id: string; name: string; isDisabled: boolean };

const self = system('login');

/** The one answer to every failed login. */
export const loginFailed = () =>
  new FleetError('UNAUTHENTICATED', {
    message: 'user, password or one-time code is wrong, or the user is locked',
    hint: 'after 10 failures wait 15 minutes; a user with a second factor gives its code along',
  });

async function findUser(db: Reader, name: string): Promise<FoundUser | undefined> {
  const user = await db
    .selectFrom('users')
    .select(['id', 'name', 'disabled_at'])
    .where('name', '=', name)
    .where('kind', '!=', 'service')
    .executeTakeFirst();
  // A user who is not there is looked up to the end as well.
  const secrets = await readUserSecrets(db, user?.id ?? '');
  return user && { ...secrets, id: user.id, name: user.name, isDisabled: user.disabled_at !== null };
}

export type PasswordLoginParts = {
  store: Store;
  clock: Clock;
  sealer: Sealer;
  passwords: Passwords;
  logins: LoginSessions;
};

export class PasswordLogin {
  readonly #parts: PasswordLoginParts;

  constructor(parts: PasswordLoginParts) {
    this.#parts = parts;
  }

  /** @throws FleetError UNAUTHENTICATED for every failure, RATE_LIMITED when too many hash at once. */
  async login(caller: Caller, request: Login): Promise<Noted<LoggedIn>> {
    const name = request.user.toLowerCase();
    const user = await this.#parts.store.read(self, (db) => findUser(db, name));
    const isRight = await this.#parts.passwords.verify(user?.passwordHash, request.password);
    const key = lockoutKey(user?.id, name, caller.sourceIp);
    // A failure is an answer of the transaction, not an error: its count must be committed.
    const opened = await this.#parts.store.write(self, async (tx) => {
      const granted = isRight && user !== undefined && (await this.#mayEnter(tx, user, request.totp, key));
      if (granted) {
        await forgetFailures(tx, key);
        return await this.#parts.logins.open(tx, { id: user.id, name: user.name }, []);
      }
      await countFailure(tx, key, this.#parts.clock.wall());
      return undefined;
    });
    if (opened === undefined || user === undefined) throw loginFailed();
    const { id, ...answer } = opened;
    return { answer, note: { resource: `user:${user.name}`, resourceId: user.id, details: { login: id } } };
  }

  /**
   * Checks a user's current password before they change it, under the same lock as logins.
   * @throws FleetError UNAUTHENTICATED, RATE_LIMITED.
   */
  async confirm(caller: Caller, user: { id: string; name: string }, password: string): Promise<void> {
    const { store, clock, passwords } = this.#parts;
    const { passwordHash } = await store.read(self, (db) => readUserSecrets(db, user.id));
    const isRight = await passwords.verify(passwordHash, password);
    const key = lockoutKey(user.id, user.name, caller.sourceIp);
    const passed = await store.write(self, async (tx) => {
      if (isRight && !(await isLockedOut(tx, key, clock.wall()))) return true;
      await countFailure(tx, key, clock.wall());
      return false;
    });
    if (!passed) throw loginFailed();
  }

  /** Everything but the password, as it stands now: it may have changed while the password was hashed. */
  async #mayEnter(tx: Writer, found: FoundUser, code: string | undefined, key: string): Promise<boolean> {
    const { sealer, clock } = this.#parts;
    const now = clock.wall();
    const user = await findUser(tx, found.name);
    if (user === undefined || user.id !== found.id || user.isDisabled) return false;
    if (user.passwordHash !== found.passwordHash || (await isLockedOut(tx, key, now))) return false;
    return user.totp === undefined || (await useTotp(tx, sealer, user.totp, code, now));
  }
}
