/** Login and enrolment, put together: what the handlers of these areas call. */
import { readFileSync } from 'node:fs';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { Authority } from './ca/authority.ts';
import type { DenyList } from './ca/deny-list.ts';
import type { Urls } from './core.ts';
import { Enrolment } from './enrol/enroll.ts';
import type { LifecycleParts } from './enrol/agent-lifecycle.ts';
import { JoinTokens } from './enrol/tokens/join-tokens.ts';
import type { LabdOptions } from './labd-options.ts';
import { LoginSessions } from './login/login-sessions.ts';
import { OidcLogin } from './login/oidc/oidc-login.ts';
import { OidcProvider } from './login/oidc/oidc-provider.ts';
import { PasswordLogin } from './login/password-login.ts';
import { Passwords } from './login/passwords.ts';
import { RevokedLogins } from './login/revoked-logins.ts';
import { Tickets } from './login/tickets.ts';
import { pinText, UserCertificates } from './login/user-certificates.ts';
import { UserEnrol, userTokenIssuer } from './login/user-enrol.ts';
import { UserAccess } from './login/users/user-access.ts';
import { Users } from './login/users/users.ts';
import type { Sealer } from './secrets/sealer.ts';

export type People = {
  logins: LoginSessions;
  passwordLogin: PasswordLogin;
  certificates: UserCertificates;
  userEnrol: UserEnrol;
  tickets: Tickets;
  /** Undefined when no issuer is configured. */
  oidc: OidcLogin | undefined;
  users: Users;
  access: UserAccess;
  tokens: JoinTokens;
  enrolment: Enrolment;
  revoked: RevokedLogins;
  lifecycle: LifecycleParts;
  ttl: { agentMs: number; serviceMs: number };
};

export type PeopleParts = {
  store: Store;
  clock: Clock;
  log: Logger;
  options: LabdOptions;
  urls: Urls;
  secrets: Sealer;
  authority: Authority;
  denyList: DenyList;
  /** Agent URLs of all live replicas, ours first. */
  agentUrls: () => readonly string[];
};

function oidcLogin({ store, clock, options, secrets }: PeopleParts, logins: LoginSessions): OidcLogin | undefined {
  const { oidcIssuer, oidcClientId, oidcClientSecretFile, oidcGroupsClaim, loginMethods } = options;
  if (oidcIssuer === undefined || oidcClientId === undefined || !loginMethods.includes('oidc')) return undefined;
  const clientSecret =
    oidcClientSecretFile === undefined ? undefined : readFileSync(oidcClientSecretFile, 'utf8').trim();
  const settings = {
    issuer: oidcIssuer,
    clientId: oidcClientId,
    groupsClaim: oidcGroupsClaim,
    ...(clientSecret !== undefined && { clientSecret }),
  };
  return new OidcLogin({ store, clock, sealer: secrets, logins, provider: new OidcProvider(settings, clock) });
}

export async function openPeople(parts: PeopleParts, stack: AsyncDisposableStack): Promise<People> {
  const { store, clock, log, options, urls, secrets: sealer, authority, denyList: denials } = parts;
  const { trustDomain } = options;
  const logins = new LoginSessions({ store, clock, times: { maxAgeMs: options.loginMaxAgeMs } });
  const passwords = new Passwords();
  const passwordLogin = new PasswordLogin({ store, clock, sealer, passwords, logins });
  const certificates = new UserCertificates({ store, clock, authority, logins, ttlMs: options.userTtlMs });
  const pin = () => pinText(authority);
  const issueToken = userTokenIssuer(() => ({ publicUrl: urls.api, pin: pin() }));
  const ttl = { agentMs: options.agentTtlMs, serviceMs: options.serviceTtlMs };
  return {
    logins,
    passwordLogin,
    certificates,
    userEnrol: new UserEnrol({ store, clock, certificates }),
    tickets: new Tickets({ store, clock, logins }),
    oidc: oidcLogin(parts, logins),
    users: new Users({ store, clock, denials, trustDomain, issueToken }),
    access: new UserAccess({ store, clock, denials, sealer, passwords, passwordLogin, issueToken }),
    tokens: new JoinTokens({ store, clock, target: () => ({ agentUrl: urls.agent, pin: pin() }) }),
    enrolment: new Enrolment({ store, clock, authority, denials, ttl, agentUrls: parts.agentUrls }),
    revoked: stack.use(await RevokedLogins.open({ store, clock, log })),
    lifecycle: { store, clock, denials, trustDomain },
    ttl,
  };
}
