/**
 * Names of the fleet: `spiffe://<trust domain>/<kind>/<id>` (CA-4), the one URI that a leaf carries. Nothing else in a
 * certificate names anybody: the subject is for people's eyes.
 */

/** Kinds of a leaf. A node of the network plane is none of them: it hangs under another root (LD-6). */
export const leafKinds = ['agent', 'user', 'bastion', 'service', 'labd'] as const;
export type LeafKind = (typeof leafKinds)[number];

export type SpiffeId = { trustDomain: string; kind: LeafKind; id: string };

const domainPattern = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9](?:[a-z0-9-]{0,62}))*$/;
/** uuid for stored identities; a plain word in tests and for replicas. No slash, no percent escape, no dot segment. */
const idPattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;

const isLeafKind = (text: string): text is LeafKind => (leafKinds as readonly string[]).includes(text);

/** Whether `domain` can be a trust domain: a lower-case host name without a port. */
export const isTrustDomain = (domain: string): boolean => domainPattern.test(domain);

/** The URI of an identity. @throws RangeError when a part could not be read back (our fault, never a caller's). */
export function spiffeId(trustDomain: string, kind: LeafKind, id: string): string {
  if (!isTrustDomain(trustDomain)) throw new RangeError('not a trust domain');
  if (!idPattern.test(id)) throw new RangeError('not an id for a SPIFFE URI');
  return `spiffe://${trustDomain}/${kind}/${id}`;
}

/** The parts of a URI; undefined for anything that `spiffeId` would not have written, byte for byte. */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  if (uri.length > 512 || !uri.startsWith('spiffe://')) return undefined;
  const [trustDomain, kind, id, ...rest] = uri.slice('spiffe://'.length).split('/');
  if (trustDomain === undefined || kind === undefined || id === undefined || rest.length > 0) return undefined;
  if (!isTrustDomain(trustDomain) || !isLeafKind(kind) || !idPattern.test(id)) return undefined;
  return { trustDomain, kind, id };
}
