/**
 * Who calls (LD-4, LD-8). The certificate was verified when the connection began; the deny list and the validity are
 * looked up for each request, so that a revoked identity is cut in the middle of a keep-alive connection.
 */
import type { Clock } from '@labmesh/kit/clock';
import { anonymous, type Principal } from '@labmesh/wire/fleet/principal';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { PeerIdentity } from '@labmesh/pki/verify-peer';
import type { DenyList } from '../ca/deny-list.ts';
import type { Caller } from '../login/caller.ts';
import type { Connection } from './connection.ts';

export type SessionCheck = (
  text: string,
) => Promise<{ id: string; user: Principal; groups: readonly string[]; expiresAt: number } | undefined>;

export type IdentifyParts = {
  /** The login behind a user's certificate: its groups, or undefined when it was ended. */
  loginOfKey: (keyHash: string) => Promise<{ groups: readonly string[] } | undefined>;
  /** Name of an identity, for people to read. */
  nameOf: (kind: Principal['kind'], id: string) => Promise<string>;
  denyList: DenyList;
  clock: Clock;
  checkSession: SessionCheck;
  trustedProxies: readonly string[];
};

/** `method` is for `whoami`. */
export type Identified = Caller & {
  method: 'certificate' | 'session' | 'socket' | 'none';
  /** The certificate is ours but over: `reenroll` takes it, nothing else does. */
  isExpired?: boolean;
};

const localRoot: Principal = { kind: 'local', id: 'root', name: 'root' };

/** The client's address: that of the socket, or what a trusted proxy says it is. */
function sourceIp(connection: Connection, headers: Headers, trustedProxies: readonly string[]): string {
  if (!trustedProxies.includes(connection.remoteAddress)) return connection.remoteAddress;
  return headers.get('x-forwarded-for')?.split(',').at(-1)?.trim() || connection.remoteAddress;
}

/** @throws FleetError REVOKED or BANNED: what was denied is denied on every route. */
function assertNotDenied(identity: PeerIdentity, denyList: DenyList): void {
  const { serial, uri, keyHash } = identity;
  const why = denyList.check({ serial, identity: uri, keyHash });
  if (why !== undefined) throw new FleetError(why === 'machine' || why === 'key' ? 'BANNED' : 'REVOKED');
}

async function byCertificate(
  connection: Connection,
  parts: IdentifyParts,
): Promise<Omit<Identified, 'sourceIp' | 'requestId'> | undefined> {
  const { peer } = connection;
  if (peer.state !== 'known' && peer.state !== 'expired') return undefined;
  const { identity } = peer;
  assertNotDenied(identity, parts.denyList);
  const isExpired = identity.notAfter <= parts.clock.wall();
  const login = identity.kind === 'user' ? await parts.loginOfKey(identity.keyHash) : undefined;
  if (identity.kind === 'user' && login === undefined && !isExpired)
    throw new FleetError('UNAUTHENTICATED', { message: 'this login is over', hint: 'labctl login' });
  const { kind, id, uri, keyHash, serial, notAfter } = identity;
  const name = await parts.nameOf(kind, id);
  return {
    principal: { kind, id, name },
    uri,
    keyHash,
    serial,
    method: 'certificate',
    ...(login !== undefined && { groups: login.groups }),
    expiresAt: notAfter,
    isExpired,
  };
}

/** Who calls as far as nothing was believed yet; rows of what is refused then name the certificate, if it is ours. */
export function strangerAt(
  connection: Connection,
  headers: Headers,
  requestId: string,
  parts: Pick<IdentifyParts, 'trustedProxies'>,
): Identified {
  const { peer, listener } = connection;
  const isOurs = peer.state === 'known' || peer.state === 'expired';
  const shown = isOurs ? { kind: peer.identity.kind, id: peer.identity.id, name: peer.identity.id } : anonymous;
  const principal = listener === 'socket' ? localRoot : shown;
  return { principal, sourceIp: sourceIp(connection, headers, parts.trustedProxies), requestId, method: 'none' };
}

/**
 * The caller of one request; a stranger is `anonymous`.
 * @throws FleetError REVOKED, BANNED, UNAUTHENTICATED for a bearer or certificate that is not good, PERMISSION_DENIED
 * for a node's credential (LD-6).
 */
export async function identify(
  connection: Connection,
  headers: Headers,
  requestId: string,
  parts: IdentifyParts,
): Promise<Identified> {
  const where = { sourceIp: sourceIp(connection, headers, parts.trustedProxies), requestId };
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
  // Whatever else it shows, and on every door.
  if (bearer?.startsWith('lmn_')) throw new FleetError('PERMISSION_DENIED', { message: 'a node has no place here' });
  if (connection.listener === 'socket') return { ...where, principal: localRoot, method: 'socket' };
  const certificate = await byCertificate(connection, parts);
  if (certificate !== undefined) return { ...where, ...certificate };
  if (bearer !== undefined) {
    const session = connection.listener === 'api' ? await parts.checkSession(bearer) : undefined;
    if (session === undefined)
      throw new FleetError('UNAUTHENTICATED', { message: 'this session is not valid', hint: 'labctl login' });
    const { id, user, groups, expiresAt } = session;
    return { ...where, principal: user, groups, session: id, method: 'session', expiresAt };
  }
  return { ...where, principal: anonymous, method: 'none' };
}
