/**
 * Logins (ID-4). One row a login, found by a hash:
 *
 *     prefix lms_<id8>   bearer: SHA-256 of the `lms_…` text; 12 h, idle 2 h
 *     prefix key         certificate: SHA-256 of its key; until `login.max_age`, each renewal adds a row for the new key
 *     prefix ticket      browser ticket: used up when `revoked_at` is set (tickets.ts)
 *
 * A key's hash is no secret and no `lms_…` text hashes to it, so a row of one form never works as another. Nothing here
 * is cached: what is revoked or disabled fails at the next call on every replica (RB-11).
 */
import type { Clock } from '@labmesh/kit/clock';
import { parseJson } from '@labmesh/kit/parse-json';
import type { Reader, Store, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { LoggedIn } from '@labmesh/wire/fleet/login';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import { z } from 'zod';
import type { Caller } from './caller.ts';
import { makeSecret, readSecret } from './secret-text.ts';

const hourMs = 3_600_000;
export const loginTimes = { sessionMs: 12 * hourMs, idleMs: 2 * hourMs, maxAgeMs: 7 * 24 * hourMs } as const;
export type LoginTimes = { sessionMs: number; idleMs: number; maxAgeMs: number };

/** Time of last use is written this seldom; the idle time is that much coarser. */
const touchMs = 60_000;

/** A login that is good now. */
export type LiveLogin = {
  id: string;
  user: Principal;
  groups: readonly string[];
  /** Unix ms: of the session, or for a key until when its certificate renews. */
  expiresAt: number;
  /** Unix ms of the login itself. */
  since: number;
};

const groupsSchema = z.array(z.string());
const self = system('logins');

/** Rows joined to a user who is not disabled. */
const liveRows = (db: Reader, now: number) =>
  db
    .selectFrom('login_sessions as login')
    .innerJoin('users', 'users.id', 'login.user_id')
    .select(['login.id', 'login.prefix', 'login.groups', 'login.created_at', 'login.expires_at', 'login.last_used_at'])
    .select(['users.id as user_id', 'users.name as user_name'])
    .where('login.revoked_at', 'is', null)
    .where('login.expires_at', '>', now)
    .where('users.disabled_at', 'is', null);

type LiveRow = NonNullable<Awaited<ReturnType<ReturnType<typeof liveRows>['executeTakeFirst']>>>;

const liveLogin = (row: LiveRow): LiveLogin => ({
  id: row.id,
  user: { kind: 'user', id: row.user_id, name: row.user_name },
  groups: groupsSchema.parse(parseJson(row.groups)),
  expiresAt: row.expires_at,
  since: row.created_at,
});

export type NewLogin = { userId: string; groups: readonly string[]; hash: string; prefix: string; expiresAt: number };

/** Writes a login; returns its id. */
export async function insertLogin(tx: Writer, login: NewLogin, now: number): Promise<string> {
  const id = uuidv7();
  await tx
    .insertInto('login_sessions')
    .values({
      id,
      created_at: now,
      user_id: login.userId,
      hash: login.hash,
      prefix: login.prefix,
      groups: JSON.stringify(login.groups),
      expires_at: login.expiresAt,
      last_used_at: now,
      revoked_at: null,
    })
    .execute();
  return id;
}

export class LoginSessions {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #times: LoginTimes;

  constructor(parts: { store: Store; clock: Clock; times?: Partial<LoginTimes> }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#times = { ...loginTimes, ...parts.times };
  }

  get maxAgeMs(): number {
    return this.#times.maxAgeMs;
  }

  /** Opens a session inside the transaction that decided the login; the text is given this once. */
  async open(
    tx: Writer,
    user: { id: string; name: string },
    groups: readonly string[],
  ): Promise<LoggedIn & { id: string }> {
    const now = this.#clock.wall();
    const { text, prefix, hash } = makeSecret('lms');
    const expiresAt = now + Math.min(this.#times.sessionMs, this.#times.maxAgeMs);
    const id = await insertLogin(tx, { userId: user.id, groups, hash, prefix, expiresAt }, now);
    return { id, user, session: text, expiresAt: timeText(expiresAt), idleMs: this.#times.idleMs };
  }

  /** The login of a bearer; undefined for malformed, unknown, expired, idle, revoked and disabled alike. */
  async check(text: string): Promise<LiveLogin | undefined> {
    const read = readSecret('lms', text);
    if (read === undefined) return undefined;
    const now = this.#clock.wall();
    const row = await this.#store.read(self, (db) =>
      liveRows(db, now).where('login.hash', '=', read.hash).where('login.prefix', '=', read.prefix).executeTakeFirst(),
    );
    if (row === undefined || row.last_used_at + this.#times.idleMs <= now) return undefined;
    if (row.last_used_at + touchMs <= now) await this.#touch(row.id, now);
    return liveLogin(row);
  }

  /** The login behind a user's certificate; undefined when it is over or was ended. */
  ofKey(keyHash: string): Promise<LiveLogin | undefined> {
    return this.#one((db, now) =>
      liveRows(db, now).where('login.hash', '=', keyHash).where('login.prefix', '=', 'key'),
    );
  }

  /** A login by its id, sessions and keys; not whether it was idle. */
  byId(id: string): Promise<LiveLogin | undefined> {
    return this.#one((db, now) => liveRows(db, now).where('login.id', '=', id).where('login.prefix', '!=', 'ticket'));
  }

  /** Groups that the newest of a user's logins told, as long as it stands; none when nobody is logged in. */
  async groupsOf(userId: string): Promise<readonly string[]> {
    const newest = await this.#one((db, now) =>
      liveRows(db, now)
        .where('login.user_id', '=', userId)
        .where('login.prefix', '!=', 'ticket')
        .orderBy('login.created_at', 'desc')
        .orderBy('login.id', 'desc')
        .limit(1),
    );
    return newest?.groups ?? [];
  }

  /** Ends one login. Its bearers fail at once; open channels are cut by RevokedLogins. @throws FleetError NOT_FOUND. */
  async revoke(caller: Caller, id: string): Promise<void> {
    const done = await this.#store.write(caller.principal, (tx) =>
      tx
        .updateTable('login_sessions')
        .set((row) => ({ revoked_at: this.#clock.wall(), revision: row('revision', '+', 1) }))
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst(),
    );
    if (done.numUpdatedRows === 0n) throw new FleetError('NOT_FOUND');
  }

  /** Drops rows that ended long ago; returns how many. For a reconciler. */
  async prune(keepMs = 30 * 24 * hourMs): Promise<number> {
    const before = this.#clock.wall() - keepMs;
    const gone = await this.#store.write(system('prune-logins'), (tx) =>
      tx.deleteFrom('login_sessions').where('expires_at', '<', before).executeTakeFirst(),
    );
    return Number(gone.numDeletedRows);
  }

  async #one(query: (db: Reader, now: number) => ReturnType<typeof liveRows>): Promise<LiveLogin | undefined> {
    const now = this.#clock.wall();
    const row = await this.#store.read(self, (db) => query(db, now).executeTakeFirst());
    return row === undefined ? undefined : liveLogin(row);
  }

  /** Losing this to a busy store costs a minute of idle time, so it fails nothing. */
  async #touch(id: string, now: number): Promise<void> {
    const set = (tx: Writer) =>
      tx
        .updateTable('login_sessions')
        .set({ last_used_at: now })
        .where('id', '=', id)
        .where('last_used_at', '<', now)
        .execute();
    await this.#store.write(self, set).catch((error: unknown) => {
      if (!(error instanceof FleetError)) throw error;
    });
  }
}
