/**
 * What the main thread keeps of a Rosenpass public key instead of its 524,160 bytes (spec tunnel.md K7): the hashes that
 * begin with the key, so that a datagram costs no more than its own length.
 */
import { hashBytes, type LabelName, type ProtocolVersion, type Suites } from './hash/suite.ts';

const perVersion = ['peerId', 'mac', 'ckInit', 'biscuitAd'] as const satisfies LabelName[];
type PrefixName = (typeof perVersion)[number];

const cookieAt = 2 * perVersion.length * hashBytes;
export const keyPrefixesBytes = cookieAt + hashBytes;

/**
 * 288 bytes: H(label, spk) for peer id, mac, ckinit and biscuit_ad under V02, the same under V03, then cookie_key (V03
 * always). Public, as the key is.
 */
export type KeyPrefixes = Uint8Array;

/** Hashes the key nine times: about 10 ms, so in a worker. */
export function prefixesOf(suites: Suites, publicKey: Uint8Array): KeyPrefixes {
  const { V02, V03 } = suites;
  const hashes = [V02, V03].flatMap(({ hash, labels }) => perVersion.map((name) => hash(labels[name], publicKey)));
  const prefixes = new Uint8Array(keyPrefixesBytes);
  for (const [index, digest] of hashes.entries()) prefixes.set(digest, index * hashBytes);
  prefixes.set(V03.hash(V03.labels.cookieKey, publicKey), cookieAt);
  return prefixes;
}

/** A copy of one of them. A view would make the array that is kept of every peer a third larger for good. */
export function prefix(prefixes: KeyPrefixes, version: ProtocolVersion, name: PrefixName): Uint8Array {
  const at = ((version === 'V02' ? 0 : perVersion.length) + perVersion.indexOf(name)) * hashBytes;
  return prefixes.slice(at, at + hashBytes);
}

/** The key of cookie replies that the owner of the public key sends: a copy. */
export function cookieKeyOf(prefixes: KeyPrefixes): Uint8Array {
  return prefixes.slice(cookieAt, cookieAt + hashBytes);
}
