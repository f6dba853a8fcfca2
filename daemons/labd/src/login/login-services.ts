/** The ways people log in, put together (2.3). */
import type { Sealer } from '../secrets/sealer.ts';
import type { Denials } from './end-logins.ts';
import { LoginSessions } from './login-sessions.ts';
import { OidcLogin } from './oidc/oidc-login.ts';
import { OidcProvider } from './oidc/oidc-provider.ts';
import { type OidcOptions, oidcSettings } from './oidc/oidc-settings.ts';
import { PasswordLogin } from './password-login.ts';
import { Passwords } from './passwords.ts';
import { Tickets } from './tickets.ts';
import { type LeafSource, pinText, UserCertificates } from './user-certificates.ts';
import { UserEnrol, userTokenIssuer } from './user-enrol.ts';
import { UserAccess } from './users/user-access.ts';
import { Users } from './users/users.ts';
import type { World } from '../settings/world.ts';

export type LoginSettings = OidcOptions & { trustDomain: string; userTtlMs: number; loginMaxAgeMs: number };

export type LoginServices = {
  logins: LoginSessions;
  passwordLogin: PasswordLogin;
  certificates: UserCertificates;
  userEnrol: UserEnrol;
  tickets: Tickets;
  /** Undefined when no issuer is configured. */
  oidc: OidcLogin | undefined;
  users: Users;
  access: UserAccess;
};

export type LoginServiceParts = {
  store: World['store'];
  clock: World['clock'];
  options: LoginSettings;
  /** For login commands. */
  publicUrl: string;
  secrets: Sealer;
  authority: LeafSource;
  denyList: Denials;
};

/** @throws as `oidcSettings` */
function oidcLogin(
  { store, clock, options, secrets }: LoginServiceParts,
  logins: LoginSessions,
): OidcLogin | undefined {
  const settings = oidcSettings(options);
  if (settings === undefined) return undefined;
  return new OidcLogin({ store, clock, sealer: secrets, logins, provider: new OidcProvider(settings, clock) });
}

export function loginServices(parts: LoginServiceParts): LoginServices {
  const { store, clock, options, publicUrl, secrets: sealer, authority, denyList: denials } = parts;
  const { trustDomain } = options;
  const logins = new LoginSessions({ store, clock, times: { maxAgeMs: options.loginMaxAgeMs } });
  const passwords = new Passwords();
  const passwordLogin = new PasswordLogin({ store, clock, sealer, passwords, logins });
  const certificates = new UserCertificates({ store, clock, authority, logins, ttlMs: options.userTtlMs });
  const issueToken = userTokenIssuer(() => ({ publicUrl, pin: pinText(authority) }));
  return {
    logins,
    passwordLogin,
    certificates,
    userEnrol: new UserEnrol({ store, clock, certificates }),
    tickets: new Tickets({ store, clock, logins }),
    oidc: oidcLogin(parts, logins),
    users: new Users({ store, clock, denials, trustDomain, issueToken }),
    access: new UserAccess({ store, clock, denials, sealer, passwords, passwordLogin, issueToken }),
  };
}
