/**
 * Browser tickets (LD-5): a browser cannot put a header on a WebSocket, so it shows a ticket as second subprotocol.
 * `lmt_<login id, 32 hex>_<secret43>`, 30 s, one use on whichever replica: the store holds the hash, and using it up is
 * one conditional update.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type Ticket, ticketPattern } from '@labmesh/wire/fleet/login';
import { system } from '@labmesh/wire/fleet/principal';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import type { Caller } from './caller.ts';
import { insertLogin, type LiveLogin, type LoginSessions } from './login-sessions.ts';
import { sha256Hex } from './secret-text.ts';

export const ticketTtlMs = 30_000;

const hexOf = (uuid: string) => uuid.replaceAll('-', '');
const uuidOf = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
const self = system('tickets');

export class Tickets {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logins: LoginSessions;

  constructor(parts: { store: Store; clock: Clock; logins: LoginSessions }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#logins = parts.logins;
  }

  /** A ticket for the caller's own login. @throws FleetError UNAUTHENTICATED without one. */
  async create(caller: Caller): Promise<Ticket> {
    const login = await this.#loginOf(caller);
    if (login === undefined) throw new FleetError('UNAUTHENTICATED');
    const now = this.#clock.wall();
    const text = `lmt_${hexOf(login.id)}_${randomBytes(32).toString('base64url')}`;
    const expiresAt = now + ticketTtlMs;
    await this.#store.write(caller.principal, async (tx) => {
      await tx.deleteFrom('login_sessions').where('prefix', '=', 'ticket').where('expires_at', '<=', now).execute();
      const row = { userId: login.user.id, groups: [], hash: sha256Hex(text), prefix: 'ticket', expiresAt };
      await insertLogin(tx, row, now);
    });
    return { ticket: text, expiresAt: timeText(expiresAt) };
  }

  /** Uses a ticket up: the login it stands for, or undefined when it is unknown, used, too old, or that login is over. */
  async redeem(text: string): Promise<LiveLogin | undefined> {
    if (!ticketPattern.test(text)) return undefined;
    const now = this.#clock.wall();
    const used = await this.#store.write(self, (tx) =>
      tx
        .updateTable('login_sessions')
        .set({ revoked_at: now })
        .where('hash', '=', sha256Hex(text))
        .where('prefix', '=', 'ticket')
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .executeTakeFirst(),
    );
    // The id in the text is the one it was made with: it is part of what was hashed.
    return used.numUpdatedRows === 1n ? await this.#logins.byId(uuidOf(text.slice(4, 36))) : undefined;
  }

  async #loginOf({ session, keyHash }: Caller): Promise<LiveLogin | undefined> {
    if (session !== undefined) return await this.#logins.byId(session);
    return keyHash === undefined ? undefined : await this.#logins.ofKey(keyHash);
  }
}
