/** Ends the session or the certificate that calls. */
import type { Store } from '@labmesh/store/store';
import { revokeCertificate } from '../ca/revoke-certificate.ts';
import type { World } from '../settings/world.ts';
import type { Caller } from './caller.ts';
import { type Denials, writeDenials } from './end-logins.ts';
import type { LoginSessions } from './login-sessions.ts';

export type LogoutParts = { store: Store; clock: World['clock']; denyList: Denials; logins: LoginSessions };

/** @throws FleetError NOT_FOUND for what is over already. */
export async function logout({ session, serial, ...caller }: Caller, parts: LogoutParts): Promise<void> {
  const { store, clock, denyList: denials, logins } = parts;
  if (session !== undefined) return logins.revoke({ session, ...caller }, session);
  if (serial === undefined) return;
  const revocation = { serial, reason: 'logged out', now: clock.wall() };
  await writeDenials({ store, denials }, caller.principal, (tx) => revokeCertificate(tx, denials, revocation));
}
