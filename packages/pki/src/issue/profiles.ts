/**
 * The four certificates that labmesh issues (CA-1, CA-3, CA-4).
 *
 *     root (path length 2) → intermediate (0, critical name constraints) → leaf
 *     old root (2) → new root cross-signed by it (1) → intermediate (0) → leaf        during and after a rotation
 *
 * Written with our own small DER writer: the library takes 3 ms for one, most of it to read it again, and a site whose
 * power comes back asks for hundreds. Each one is read back by our own reader before it leaves, so nothing is issued
 * that a peer of ours would refuse to parse.
 */
import { randomBytes } from 'node:crypto';
import { tag } from '../der/der-reader.ts';
import { type Certificate, clientAuth, readCertificate, serverAuth } from '../der/read-certificate.ts';
import { element, objectId, positiveInteger, sequence, time } from '../der/write-der.ts';
import type { EcKey } from '../keys.ts';
import { type SpiffeId, spiffeId } from '../spiffe-id.ts';
import {
  altNames,
  authorityKey,
  caUsage,
  digitalSignature,
  extendedUsage,
  forCa,
  nameConstraints,
  notCa,
  subjectKey,
} from './extensions.ts';
import { signDer, type SigningKey } from './sign-der.ts';

/** Unix ms. Cut to whole seconds, as certificates have them. */
export type Validity = { notBefore: number; notAfter: number };

export type Issuer = { key: SigningKey; certificate: Certificate };

/** 16 random bytes, positive and without a leading zero: 32 hex digits always. */
export function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

type Draft = Validity & {
  /** DER of a Name. */
  subject: Uint8Array;
  spki: Uint8Array;
  keyHash: string;
  signer: SigningKey;
  /** Undefined: signed by itself. */
  issuer: Certificate | undefined;
  extensions: readonly Uint8Array[];
};

const version3 = element(0xa0, positiveInteger('2'));
const nameOids = { O: '2.5.4.10', CN: '2.5.4.3' } as const;
const utf8String = 0x0c;

/** A Name of single attributes, in this order. */
function nameOf(...attributes: [type: keyof typeof nameOids, text: string][]): Buffer {
  return sequence(
    ...attributes.map(([type, text]) =>
      element(tag.set, sequence(objectId(nameOids[type]), element(utf8String, Buffer.from(text)))),
    ),
  );
}

async function sign(draft: Draft): Promise<Certificate> {
  const { subject, spki, keyHash, issuer, notBefore, notAfter } = draft;
  const identifiers = [subjectKey(keyHash), authorityKey(issuer?.keyHash ?? keyHash)];
  const der = await signDer(draft.signer, (algorithm) =>
    sequence(
      version3,
      positiveInteger(newSerial()),
      algorithm,
      issuer?.subject ?? subject,
      sequence(time(notBefore), time(notAfter)),
      subject,
      spki,
      element(0xa3, sequence(...draft.extensions, ...identifiers)),
    ),
  );
  return readCertificate(der);
}

const caName = (trustDomain: string, role: string, keyHash: string): Buffer =>
  // Part of the key hash, so that two roots never share a name and chains have one way up.
  nameOf(['O', 'labmesh'], ['CN', `${trustDomain.slice(0, 40)} ${role} ${keyHash.slice(0, 8)}`]);

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
    extensions: [forCa(2), caUsage],
  });
}

/** The new root's name and key, signed by the old root (CA-11). It ends with the earlier of both. */
export function createCross(old: Issuer, next: Certificate, notBefore: number): Promise<Certificate> {
  return sign({
    notBefore,
    notAfter: Math.min(old.certificate.notAfter, next.notAfter),
    subject: next.subject,
    spki: next.spki,
    keyHash: next.keyHash,
    signer: old.key,
    issuer: old.certificate,
    extensions: [forCa(1), caUsage],
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
    extensions: [forCa(0), caUsage, nameConstraints(trustDomain, dnsNames)],
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

const clientUse = extendedUsage(clientAuth);
const serverUse = extendedUsage(clientAuth, serverAuth);

/** A leaf: one URI, clientAuth; labd also serverAuth and the names of its URLs (CA-4). */
export function createLeaf(profile: LeafProfile): Promise<Certificate> {
  const { issuer, spki, keyHash, identity, name, notBefore, notAfter } = profile;
  const isServer = identity.kind === 'labd';
  const { dnsNames = [], ips = [] } = isServer ? profile : {};
  const uri = spiffeId(identity.trustDomain, identity.kind, identity.id);
  return sign({
    notBefore: Math.max(notBefore, issuer.certificate.notBefore),
    notAfter: Math.min(notAfter, issuer.certificate.notAfter),
    // With the colon it can never be taken for a host name, which name constraints would then be applied to.
    subject: nameOf(['CN', `${identity.kind}:${name}`.slice(0, 64)]),
    spki,
    keyHash,
    signer: issuer.key,
    issuer: issuer.certificate,
    extensions: [notCa, digitalSignature, isServer ? serverUse : clientUse, altNames({ uri, dnsNames, ips })],
  });
}
