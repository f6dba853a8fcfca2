/**
 * Our own check of a peer's certificate (LD-4). TLS runs with `rejectUnauthorized: false`, because a stranger may fetch
 * the bundle and an expired agent may come back; what the runtime says about a chain is therefore never relied upon.
 *
 *     leaf ── signed by ─▶ intermediate ─▶ root of the bundle
 *                               └────────▶ cross-signed new root ─▶ old root of the bundle (CA-11)
 *
 * A signature costs about 40 µs; those of CA certificates are remembered, so that a storm of agents pays for one each.
 */
import { type KeyObject, verify } from 'node:crypto';
import { certificatesIn } from './der/pem.ts';
import { type Certificate, clientAuth, readCertificate, serverAuth, sha256Hex } from './der/read-certificate.ts';
import { publicKeyOf } from './keys.ts';
import { PeerRefused } from './peer-refused.ts';
import { type LeafKind, parseSpiffeId } from './spiffe-id.ts';

export type PeerIdentity = {
  /** The whole `spiffe://…` URI. */
  uri: string;
  trustDomain: string;
  kind: LeafKind;
  id: string;
  /** Lower-case hex. */
  serial: string;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  keyHash: string;
  /** The same of the certificate that issued it. */
  issuerKey: string;
  /** Unix ms. */
  notBefore: number;
  notAfter: number;
  /** Only with `expired: 'tell'`. */
  isExpired: boolean;
};

export type PeerCheck = {
  leafDer: Uint8Array;
  /** Intermediates and cross-signed roots to build with, DER; untrusted. At most 16 are looked at. */
  chain?: readonly Uint8Array[];
  /** The roots that are trusted, PEM. */
  bundlePem: string;
  /** Unix ms. */
  now: number;
  /** Undefined: any, for a client that knows only a pin. */
  trustDomain: string | undefined;
  eku: 'client' | 'server';
  /**
   * `tell`: an expired leaf is an identity with `isExpired`, for `reenroll` alone (CA-7); its issuers are judged by the
   * time it ended. Default `refuse`.
   */
  expired?: 'refuse' | 'tell';
};

const chainMax = 16;
/** Certificates between the leaf and a root. */
const depthMax = 3;
/** Signatures tried for one peer: hostile chains with many namesakes end here. */
const signaturesMax = 12;
const bundlesMax = 8;
const rememberedMax = 512;

const keyCertSign = 1 << 5;
const digitalSignature = 1 << 0;

/** Parsed roots by bundle text: a handful lives at a time. */
const bundles = new Map<string, readonly Certificate[]>();
/** CA certificates by the hash of their DER, and which key was seen to have signed which certificate. */
const authorities = new Map<string, Certificate>();
const keys = new Map<string, KeyObject>();
const signed = new Map<string, true>();

/** A map as a bounded memory: forgets the oldest. */
function remember<T>(memory: Map<string, T>, key: string, value: T, most: number): T {
  const oldest = memory.size >= most ? memory.keys().next().value : undefined;
  if (oldest !== undefined) memory.delete(oldest);
  memory.set(key, value);
  return value;
}

function rootsOf(bundlePem: string): readonly Certificate[] {
  const known = bundles.get(bundlePem);
  if (known !== undefined) return known;
  const roots = certificatesIn(bundlePem).map(readCertificate);
  return remember(bundles, bundlePem, roots, bundlesMax);
}

function authorityFrom(der: Uint8Array): Certificate | undefined {
  const hash = sha256Hex(der);
  const known = authorities.get(hash);
  if (known !== undefined) return known;
  const read = readCertificate(der);
  return read.isCa ? remember(authorities, hash, read, rememberedMax) : undefined;
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

type Walk = {
  roots: readonly Certificate[];
  between: readonly Certificate[];
  at: number;
  eku: string;
  signatures: number;
};

function isSignedBy(walk: Walk, child: Certificate, issuer: Certificate): boolean {
  const memory = child.isCa ? `${sha256Hex(child.der)}:${issuer.keyHash}` : undefined;
  if (memory !== undefined && signed.has(memory)) return true;
  if (++walk.signatures > signaturesMax) return false;
  const key = keys.get(issuer.keyHash) ?? remember(keys, issuer.keyHash, publicKeyOf(issuer.spki), rememberedMax);
  const isGood = verify(child.hash, child.tbs, { key, dsaEncoding: 'der' }, child.signature);
  if (isGood && memory !== undefined) remember(signed, memory, true, rememberedMax);
  return isGood;
}

/** Whether `issuer` may stand above `child` with `below` intermediates under it. */
function mayIssue(walk: Walk, issuer: Certificate, child: Certificate, below: number): boolean {
  if (!sameBytes(issuer.subject, child.issuer) || !issuer.isCa || issuer.unknownCritical !== undefined) return false;
  if (issuer.pathLength !== undefined && issuer.pathLength < below) return false;
  if (issuer.keyUsage !== undefined && (issuer.keyUsage & keyCertSign) === 0) return false;
  if (issuer.extendedKeyUsage !== undefined && !issuer.extendedKeyUsage.includes(walk.eku)) return false;
  return issuer.notBefore <= walk.at && walk.at <= issuer.notAfter;
}

/** The direct issuer of `child` on a way to a root; undefined when there is none. */
function climb(walk: Walk, child: Certificate, below: number): Certificate | undefined {
  const root = walk.roots.find((each) => mayIssue(walk, each, child, below) && isSignedBy(walk, child, each));
  if (root !== undefined || below >= depthMax) return root;
  return walk.between.find(
    (each) =>
      mayIssue(walk, each, child, below) && isSignedBy(walk, child, each) && climb(walk, each, below + 1) !== undefined,
  );
}

/** What the leaf says of itself, before anybody is asked whether it is true. */
function readIdentity(leaf: Certificate, check: PeerCheck, usage: string) {
  if (leaf.isCa || leaf.unknownCritical !== undefined) throw new PeerRefused('wrong-usage', 'not a leaf certificate');
  const signs = leaf.keyUsage === undefined || (leaf.keyUsage & digitalSignature) !== 0;
  if (!signs || !leaf.extendedKeyUsage?.includes(usage)) {
    throw new PeerRefused('wrong-usage', `the certificate is not for ${check.eku} use`);
  }
  const [uri, ...more] = leaf.uris;
  const id = uri === undefined || more.length > 0 ? undefined : parseSpiffeId(uri);
  if (uri === undefined || id === undefined) {
    throw new PeerRefused('wrong-identity', 'the certificate does not name exactly one identity');
  }
  if (check.trustDomain !== undefined && id.trustDomain !== check.trustDomain) {
    throw new PeerRefused('wrong-identity', 'the certificate belongs to another trust domain');
  }
  return { uri, ...id };
}

function judge(check: PeerCheck): PeerIdentity {
  const leaf = readCertificate(check.leafDer);
  const eku = check.eku === 'client' ? clientAuth : serverAuth;
  const identity = readIdentity(leaf, check, eku);
  const isExpired = check.now > leaf.notAfter;
  const between = (check.chain ?? []).slice(0, chainMax).flatMap((der) => authorityFrom(der) ?? []);
  const at = isExpired ? leaf.notAfter : check.now;
  const issuer = climb({ roots: rootsOf(check.bundlePem), between, at, eku, signatures: 0 }, leaf, 0);
  if (issuer === undefined) throw new PeerRefused('untrusted', 'the certificate does not lead to a trusted root');
  if (check.now < leaf.notBefore) throw new PeerRefused('not-yet-valid', 'the certificate is not valid yet');
  // Last, so that `expired` means that nothing else is wrong with it.
  if (isExpired && check.expired !== 'tell') throw new PeerRefused('expired', 'the certificate has expired');
  const { serial, keyHash, notBefore, notAfter } = leaf;
  return { ...identity, serial, keyHash, issuerKey: issuer.keyHash, notBefore, notAfter, isExpired };
}

/**
 * The identity of a peer: chain to the bundle, validity, usage, exactly one URI of the trust domain. Whether it is
 * denied is the deny list's to say.
 * @throws PeerRefused, and nothing else, whatever the bytes are.
 */
export function verifyPeer(check: PeerCheck): PeerIdentity {
  try {
    return judge(check);
  } catch (error) {
    if (error instanceof PeerRefused) throw error;
    throw new PeerRefused('malformed', 'the certificate cannot be read');
  }
}
