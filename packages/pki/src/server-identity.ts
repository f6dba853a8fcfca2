/**
 * What a client checks about labd (CA-5): chain, pinned root, kind labd. Not the host name: an address may change, and
 * a proxy, a tunnel or an IP stands between often enough. Given to TLS as `checkServerIdentity`, beside `ca`.
 */
import { pinnedRoots } from './pin.ts';
import { PeerRefused } from './peer-refused.ts';
import { type PeerIdentity, verifyPeer } from './verify-peer.ts';

/** The part of the runtime's peer certificate that is read: DER, and the one above it. */
export type SeenCertificate = { raw?: Uint8Array | undefined; issuerCertificate?: SeenCertificate | undefined };

export type ServerCheck = {
  /** Trusted roots, PEM; the same text as `ca`. */
  bundlePem: string;
  /** Then only the roots that match count (JT-6). */
  pins?: string | undefined;
  /** Undefined while a joining machine does not know it yet. */
  trustDomain: string | undefined;
  /** Unix ms; default the system's. */
  now?: () => number;
};

const chainMax = 8;

/** DER of a leaf and of what was sent above it. A root points to itself in some runtimes: a list, with an end. */
export function unfold(seen: SeenCertificate | undefined): Uint8Array[] {
  const list: Uint8Array[] = [];
  let at = seen;
  while (at?.raw !== undefined && list.length < chainMax) {
    list.push(at.raw);
    at = at.issuerCertificate === at ? undefined : at.issuerCertificate;
  }
  return list;
}

/** labd's identity from what TLS saw. @throws PeerRefused. */
export function verifyServer(seen: SeenCertificate | undefined, check: ServerCheck): PeerIdentity {
  const [leafDer, ...chain] = unfold(seen);
  if (leafDer === undefined) throw new PeerRefused('missing', 'the server showed no certificate');
  const bundlePem = check.pins === undefined ? check.bundlePem : pinnedRoots(check.bundlePem, check.pins);
  if (bundlePem === undefined) throw new PeerRefused('wrong-pin', 'no root of the bundle has the pin');
  const now = check.now?.() ?? Date.now();
  const identity = verifyPeer({ leafDer, chain, bundlePem, now, trustDomain: check.trustDomain, eku: 'server' });
  if (identity.kind !== 'labd') throw new PeerRefused('wrong-identity', 'the server is not labd');
  return identity;
}

/** For `checkServerIdentity` of node:tls and ws: undefined when all is well, else the reason. */
export const serverIdentityCheck =
  (check: ServerCheck) =>
  (_host: string, seen: SeenCertificate): PeerRefused | undefined => {
    try {
      verifyServer(seen, check);
      return undefined;
    } catch (error) {
      return error instanceof PeerRefused ? error : new PeerRefused('malformed', 'the certificate cannot be read');
    }
  };
