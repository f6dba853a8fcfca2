/**
 * The four certificates that labmesh issues (CA-1, CA-3, CA-4).
 *
 *     root (path length 2) → intermediate (0, critical name constraints) → leaf
 *     old root (2) → new root cross-signed by it (1) → intermediate (0) → leaf        during and after a rotation
 *
 * Each one is read back by our own reader before it leaves, so nothing is issued that a peer of ours would refuse to
 * parse.
 */
import { randomBytes } from 'node:crypto';
import { type Certificate, clientAuth, readCertificate, serverAuth } from '../der/read-certificate.ts';
import { element, sequence } from '../der/write-der.ts';
import { type EcKey, signingAlgorithm } from '../keys.ts';
import { type SpiffeId, spiffeId } from '../spiffe-id.ts';
import { type AnyExtension, certificates, extension, type JsonName, publicKey, subjectOf, usage } from './library.ts';

/** Unix ms. Cut to whole seconds, as certificates have them. */
export type Validity = { notBefore: number; notAfter: number };

export type SigningKey = Pick<EcKey, 'curve' | 'privateKey'>;
export type Issuer = { key: SigningKey; certificate: Certificate };

const keyIdentifierOid = '2.5.29.14';
const authorityIdentifierOid = '2.5.29.35';
const nameConstraintsOid = '2.5.29.30';

/** Key identifiers are the first 20 bytes of the key hash: any unique value will do (RFC 5280, 4.2.1.2). */
const keyIdentifier = (keyHash: string) => Buffer.from(keyHash, 'hex').subarray(0, 20);
const subjectKey = (keyHash: string) => extension.raw(keyIdentifierOid, false, element(0x04, keyIdentifier(keyHash)));
const authorityKey = (keyHash: string) =>
  extension.raw(authorityIdentifierOid, false, sequence(element(0x80, keyIdentifier(keyHash))));

/** 16 random bytes, positive and without a leading zero: 32 hex digits always. */
export function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

type Draft = Validity & {
  subject: Parameters<typeof certificates.create>[0]['subject'];
  spki: Uint8Array;
  keyHash: string;
  signer: SigningKey;
  /** Undefined: signed by itself. */
  issuer: Certificate | undefined;
  extensions: AnyExtension[];
};

async function sign(draft: Draft): Promise<Certificate> {
  const made = await certificates.create({
    serialNumber: newSerial(),
    subject: draft.subject,
    issuer: draft.issuer === undefined ? draft.subject : subjectOf(draft.issuer.der),
    notBefore: new Date(Math.floor(draft.notBefore / 1_000) * 1_000),
    notAfter: new Date(Math.floor(draft.notAfter / 1_000) * 1_000),
    publicKey: publicKey(draft.spki),
    signingKey: draft.signer.privateKey,
    signingAlgorithm: signingAlgorithm(draft.signer.curve),
    extensions: [...draft.extensions, subjectKey(draft.keyHash), authorityKey(draft.issuer?.keyHash ?? draft.keyHash)],
  });
  return readCertificate(new Uint8Array(made.rawData));
}

const caUsage = () => extension.keyUsage(usage.keyCertSign | usage.cRLSign);
const caName = (trustDomain: string, role: string, keyHash: string): JsonName => [
  { O: ['labmesh'] },
  // Part of the key hash, so that two roots never share a name and chains have one way up.
  { CN: [`${trustDomain.slice(0, 40)} ${role} ${keyHash.slice(0, 8)}`] },
];

export type RootRequest = Validity & { key: EcKey; trustDomain: string };

/** A self-signed root. Path length 2, so that a cross-signed root fits below it (CA-1). */
export function createRoot({ key, trustDomain, ...validity }: RootRequest): Promise<Certificate> {
  return sign({
    ...validity,
    subject: caName(trustDomain, 'root', key.keyHash),
    spki: key.spki,
    keyHash: key.keyHash,
    signer: key,
    issuer: undefined,
    extensions: [extension.ca(2), caUsage()],
  });
}

/** The new root's name and key, signed by the old root (CA-11). It ends with the earlier of both. */
export function createCross(old: Issuer, next: Certificate, notBefore: number): Promise<Certificate> {
  return sign({
    notBefore,
    notAfter: Math.min(old.certificate.notAfter, next.notAfter),
    subject: subjectOf(next.der),
    spki: next.spki,
    keyHash: next.keyHash,
    signer: old.key,
    issuer: old.certificate,
    extensions: [extension.ca(1), caUsage()],
  });
}

export type IntermediateRequest = Validity & {
  issuer: Issuer;
  spki: Uint8Array;
  keyHash: string;
  trustDomain: string;
  /** Domains that leaves of labd may carry: `ca.dns_suffixes`, hosts of public URLs, `localhost`. */
  dnsNames: readonly string[];
};

/**
 * Permitted subtrees (RFC 5280, 4.2.1.10): URIs of the trust domain, the DNS names given. No IP subtree: BoringSSL
 * refuses the whole chain for one ("unsupported name constraint type"), so addresses stay unconstrained.
 */
function nameConstraints(trustDomain: string, dnsNames: readonly string[]): AnyExtension {
  const subtree = (kind: number, text: string) => sequence(element(kind, Buffer.from(text, 'latin1')));
  const permitted = [subtree(0x86, trustDomain), ...dnsNames.map((name) => subtree(0x82, name))];
  return extension.raw(nameConstraintsOid, true, sequence(element(0xa0, ...permitted)));
}

/** The issuing intermediate: path length 0, critical name constraints. It never outlives its issuer. */
export function createIntermediate(request: IntermediateRequest): Promise<Certificate> {
  const { issuer, spki, keyHash, trustDomain, dnsNames, notBefore, notAfter } = request;
  return sign({
    notBefore,
    notAfter: Math.min(notAfter, issuer.certificate.notAfter),
    subject: caName(trustDomain, 'issuing', keyHash),
    spki,
    keyHash,
    signer: issuer.key,
    issuer: issuer.certificate,
    extensions: [extension.ca(0), caUsage(), nameConstraints(trustDomain, dnsNames)],
  });
}

export type LeafProfile = Validity & {
  issuer: Issuer;
  spki: Uint8Array;
  keyHash: string;
  identity: SpiffeId;
  /** For people's eyes only; cut at 64 characters. */
  name: string;
  /** Of labd's URLs; other kinds get none. */
  dnsNames?: readonly string[];
  ips?: readonly string[];
};

/** A leaf: one URI, clientAuth; labd also serverAuth and the names of its URLs (CA-4). */
export function createLeaf(profile: LeafProfile): Promise<Certificate> {
  const { issuer, spki, keyHash, identity, name, notBefore, notAfter } = profile;
  const isServer = identity.kind === 'labd';
  const uri = spiffeId(identity.trustDomain, identity.kind, identity.id);
  const dns = isServer ? (profile.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })) : [];
  const ips = isServer ? (profile.ips ?? []).map((value) => ({ type: 'ip' as const, value })) : [];
  return sign({
    notBefore: Math.max(notBefore, issuer.certificate.notBefore),
    notAfter: Math.min(notAfter, issuer.certificate.notAfter),
    // With the colon it can never be taken for a host name, which name constraints would then be applied to.
    subject: [{ CN: [`${identity.kind}:${name}`.slice(0, 64)] }],
    spki,
    keyHash,
    signer: issuer.key,
    issuer: issuer.certificate,
    extensions: [
      extension.notCa(),
      extension.keyUsage(usage.digitalSignature),
      extension.extendedUsage(isServer ? [clientAuth, serverAuth] : [clientAuth]),
      extension.names([{ type: 'url', value: uri }, ...dns, ...ips]),
    ],
  });
}
