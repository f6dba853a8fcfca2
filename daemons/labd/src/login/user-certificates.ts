/**
 * Certificates of people (ID-2, ID-4): 12 h each, renewing over the live one until the login is `login.max_age` old. The
 * login's row by the key's hash carries groups and that end from one certificate to the next.
 */
import type { Clock } from '@labmesh/kit/clock';
import { type Csr, parseCsr } from '@labmesh/pki/csr';
import type { Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { CertificateRequest, UserCertificate } from '@labmesh/wire/fleet/login';
import type { Renew, Renewed } from '@labmesh/wire/fleet/enrolment';
import { type Principal, principalText } from '@labmesh/wire/fleet/principal';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import type { Authority, Issued } from '../ca/authority.ts';
import type { Caller, Noted } from './caller.ts';
import { insertLogin, type LiveLogin, type LoginSessions } from './login-sessions.ts';

export type LeafSource = Pick<Authority, 'issueLeaf' | 'bundle'>;

const userTtlMs = 12 * 3_600_000;

/** Pins of the CA as one text (JT-6). */
export const pinText = (authority: Pick<Authority, 'bundle'>): string => authority.bundle().pins.join(',');

/** The fields that every answer with a certificate has. */
export const certificateFields = (issued: Issued, authority: Pick<Authority, 'bundle'>): Renewed => ({
  certificatePem: issued.certificatePem,
  chainPem: issued.chainPem,
  caPem: issued.caPem,
  caPin: pinText(authority),
  expiresAt: timeText(issued.notAfter),
  renewAfter: timeText(issued.renewAfter),
});

type Grant = {
  user: { id: string; name: string };
  groups: readonly string[];
  csr: Csr;
  /** Unix ms. */
  loginExpiresAt: number;
  issuedBy: Principal;
};

const foreignKey = () =>
  new FleetError('CONFLICT', { field: 'csrPem', message: 'this key belongs to somebody else; make a new one' });

export class UserCertificates {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #authority: LeafSource;
  readonly #logins: LoginSessions;
  readonly #ttlMs: number;

  constructor(parts: { store: Store; clock: Clock; authority: LeafSource; logins: LoginSessions; ttlMs?: number }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#authority = parts.authority;
    this.#logins = parts.logins;
    this.#ttlMs = parts.ttlMs ?? userTtlMs;
  }

  /** Unix ms at which a login made now ends. */
  loginEnd(): number {
    return this.#clock.wall() + this.#logins.maxAgeMs;
  }

  /**
   * Issues in the caller's transaction and writes the key's login. The same key again gives the same certificate.
   * @throws FleetError UNAUTHENTICATED when the login is over, CONFLICT when the key is another user's.
   */
  async issue(tx: Writer, grant: Grant): Promise<UserCertificate & { serial: string }> {
    const now = this.#clock.wall();
    const login = await this.#keyLogin(tx, grant, now);
    const ttlMs = Math.min(this.#ttlMs, login.expiresAt - now);
    if (ttlMs <= 0) throw loginOver();
    const issued = await this.#authority.issueLeaf(tx, {
      kind: 'user',
      id: grant.user.id,
      name: grant.user.name,
      csr: grant.csr,
      ttlMs,
      issuedBy: grant.issuedBy,
    });
    const { id, name } = grant.user;
    const fields = certificateFields(issued, this.#authority);
    return { user: { id, name }, ...fields, loginExpiresAt: timeText(login.expiresAt), serial: issued.serial };
  }

  /** The row of this key, made when it is new. A key stays with its first login: a later login makes a new key. */
  async #keyLogin(tx: Writer, grant: Grant, now: number): Promise<{ expiresAt: number }> {
    const { keyHash } = grant.csr;
    const known = await tx
      .selectFrom('login_sessions')
      .select(['user_id', 'expires_at', 'revoked_at'])
      .where('hash', '=', keyHash)
      .executeTakeFirst();
    if (known !== undefined && known.user_id !== grant.user.id) throw foreignKey();
    if (known?.revoked_at) throw new FleetError('REVOKED', { hint: 'make a new key: `labctl login`' });
    if (known !== undefined) return { expiresAt: known.expires_at };
    const { user, groups, loginExpiresAt: expiresAt } = grant;
    await insertLogin(tx, { userId: user.id, groups, hash: keyHash, prefix: 'key', expiresAt }, now);
    return { expiresAt };
  }

  /** A certificate for a bearer's own session (`POST /api/auth/certificate`). @throws FleetError as `issue`. */
  async forSession(caller: Caller, request: CertificateRequest): Promise<Noted<UserCertificate>> {
    const login = caller.session === undefined ? undefined : await this.#logins.byId(caller.session);
    if (login === undefined) throw new FleetError('UNAUTHENTICATED');
    return await this.#grant(caller, login, request.csrPem, login.since + this.#logins.maxAgeMs, request.device);
  }

  /** The next certificate over the live one (CA-6). @throws FleetError UNAUTHENTICATED when the login is over. */
  async renew(caller: Caller, request: Renew): Promise<Noted<UserCertificate>> {
    const login = caller.keyHash === undefined ? undefined : await this.#logins.ofKey(caller.keyHash);
    if (login === undefined || login.user.id !== caller.principal.id) throw loginOver();
    return await this.#grant(caller, login, request.csrPem, login.expiresAt, undefined);
  }

  async #grant(
    caller: Caller,
    login: LiveLogin,
    csrPem: string,
    loginExpiresAt: number,
    device: string | undefined,
  ): Promise<Noted<UserCertificate>> {
    const { user, groups } = login;
    const issuedBy = caller.principal;
    const csr = parseCsr(csrPem);
    const { serial, ...answer } = await this.#store.write(issuedBy, (tx) =>
      this.issue(tx, { user, groups, csr, loginExpiresAt, issuedBy }),
    );
    return { answer, note: certificateNote(user, serial, device) };
  }
}

const loginOver = () => new FleetError('UNAUTHENTICATED', { message: 'this login is over', hint: 'labctl login' });

/** What the audit row of an issued user certificate says. */
export function certificateNote(user: { id: string; name: string }, serial: string, device: string | undefined) {
  const details = { serial, ...(device !== undefined && { device }) };
  return { resource: principalText({ kind: 'user', ...user }), resourceId: user.id, details };
}
