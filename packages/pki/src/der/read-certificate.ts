/**
 * Reads the parts of an X.509 certificate that we judge by (RFC 5280). The runtime's own X509Certificate gives the
 * alternative names as one text, in which a name can be made to look like two; here each name stays apart.
 */
import { createHash } from 'node:crypto';
import { DerError, DerReader, tag } from './der-reader.ts';

export type Certificate = {
  der: Uint8Array;
  /** What is signed. */
  tbs: Uint8Array;
  signature: Uint8Array;
  /** Hash of the signature algorithm; only ECDSA is read. */
  hash: 'sha256' | 'sha384';
  /** Lower-case hex. */
  serial: string;
  /** Names as DER, compared byte by byte: we write both sides. */
  issuer: Uint8Array;
  subject: Uint8Array;
  /** Unix ms, whole seconds. */
  notBefore: number;
  notAfter: number;
  spki: Uint8Array;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  keyHash: string;
  isCa: boolean;
  /** Certificates that may follow below, without the leaf. */
  pathLength: number | undefined;
  /** Undefined without the extension; else bit 0 digitalSignature … bit 5 keyCertSign, bit 6 cRLSign. */
  keyUsage: number | undefined;
  /** Object identifiers; undefined without the extension. */
  extendedKeyUsage: string[] | undefined;
  uris: string[];
  dnsNames: string[];
  /** Other names in the extension (addresses, mail, directory names): only counted. */
  otherNames: number;
  /** DNS subtrees of a CA's name constraints; undefined without the extension. */
  permittedDns: string[] | undefined;
  /** A critical extension that is not understood here: nothing may be built on such a certificate. */
  unknownCritical: string | undefined;
};

const oid = {
  ecdsaSha256: '1.2.840.10045.4.3.2',
  ecdsaSha384: '1.2.840.10045.4.3.3',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  extendedKeyUsage: '2.5.29.37',
} as const;

export const clientAuth = '1.3.6.1.5.5.7.3.2';
export const serverAuth = '1.3.6.1.5.5.7.3.1';

/** Extensions and names a certificate may carry. */
const listMax = 64;

/** Hash of an ECDSA algorithm identifier. @throws DerError for any other. */
export function readSignatureHash(algorithm: DerReader): 'sha256' | 'sha384' {
  const found = algorithm.oid();
  algorithm.end();
  if (found === oid.ecdsaSha256) return 'sha256';
  if (found === oid.ecdsaSha384) return 'sha384';
  throw new DerError('not an ECDSA signature');
}

/** SHA-256 in hex: key hashes, pins and digests are all this. */
export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const ascii = (bytes: Uint8Array): string => {
  if (bytes.some((byte) => byte < 0x21 || byte > 0x7e)) throw new DerError('a name that is not plain ASCII');
  return Buffer.from(bytes).toString('latin1');
};

function readAltNames(into: Certificate, value: DerReader): void {
  const names = value.read(tag.sequence);
  for (let count = 0; !names.isDone; count++) {
    if (count >= listMax) throw new DerError('too many names');
    const kind = names.nextTag;
    const name = names.read(kind);
    if (kind === 0x86) into.uris.push(ascii(name.content));
    else if (kind === 0x82) into.dnsNames.push(ascii(name.content));
    else into.otherNames++;
  }
}

/** The DNS names below `permittedSubtrees` (RFC 5280, 4.2.1.10). Other kinds of names are passed over. */
function readPermittedDns(value: DerReader): string[] {
  const permitted = value.read(tag.sequence).optional(0xa0);
  const names: string[] = [];
  for (let count = 0; permitted !== undefined && !permitted.isDone; count++) {
    if (count >= listMax) throw new DerError('too many names');
    const subtree = permitted.read(tag.sequence);
    const kind = subtree.nextTag;
    const base = subtree.read(kind);
    if (kind === 0x82) names.push(ascii(base.content));
  }
  return names;
}

function readBits(value: DerReader): number {
  const [unused, first = 0, ...rest] = value.read(tag.bitString).content;
  if (unused === undefined || unused > 7 || rest.length > 1) throw new DerError('not key usage bits');
  // Bit 0 of X.509 is the highest bit of the byte.
  return Array.from({ length: 8 }, (_, bit) => (first & (0x80 >> bit) ? 1 << bit : 0)).reduce((a, b) => a | b, 0);
}

function readExtension(into: Certificate, id: string, isCritical: boolean, value: DerReader): void {
  switch (id) {
    case oid.subjectAltName:
      readAltNames(into, value);
      break;
    case oid.basicConstraints: {
      const fields = value.read(tag.sequence);
      into.isCa = fields.nextTag === tag.boolean ? fields.boolean() : false;
      if (!fields.isDone) into.pathLength = fields.smallInteger();
      fields.end();
      break;
    }
    case oid.keyUsage:
      into.keyUsage = readBits(value);
      break;
    case oid.extendedKeyUsage: {
      const list = value.read(tag.sequence);
      into.extendedKeyUsage = [];
      while (!list.isDone && into.extendedKeyUsage.length < listMax) into.extendedKeyUsage.push(list.oid());
      list.end();
      break;
    }
    case oid.nameConstraints:
      // Told, and not applied here: a leaf is held to exactly one URI of the trust domain, which is narrower (LD-4).
      into.permittedDns = readPermittedDns(value);
      return;
    default:
      if (isCritical) into.unknownCritical = id;
      return;
  }
  value.end();
}

function readExtensions(into: Certificate, outer: DerReader): void {
  const list = outer.read(tag.sequence);
  outer.end();
  const seen = new Set<string>();
  while (!list.isDone) {
    const extension = list.read(tag.sequence);
    const id = extension.oid();
    // Twice the same one: readers differ about which counts.
    if (seen.has(id) || seen.size >= listMax) throw new DerError('an extension comes twice');
    seen.add(id);
    const isCritical = extension.nextTag === tag.boolean ? extension.boolean() : false;
    const value = extension.read(tag.octetString);
    extension.end();
    readExtension(into, id, isCritical, DerReader.of(value.content));
  }
}

function readBody(der: Uint8Array): { certificate: Certificate; fields: DerReader; innerHash: string } {
  const top = DerReader.of(der);
  const outer = top.read(tag.sequence);
  top.end();
  const fields = outer.read(tag.sequence);
  const hash = readSignatureHash(outer.read(tag.sequence));
  const signature = outer.bitString();
  outer.end();
  const version = fields.read(0xa0);
  if (version.smallInteger() !== 2) throw new DerError('not an X.509 v3 certificate');
  version.end();
  const serial = fields.positiveHex();
  const innerHash = readSignatureHash(fields.read(tag.sequence));
  const issuer = fields.read(tag.sequence).whole;
  const validity = fields.read(tag.sequence);
  const [notBefore, notAfter] = [validity.time(), validity.time()];
  validity.end();
  const subject = fields.read(tag.sequence).whole;
  const spki = fields.read(tag.sequence).whole;
  const certificate: Certificate = {
    der,
    tbs: fields.whole,
    signature,
    hash,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    keyHash: sha256Hex(spki),
    isCa: false,
    pathLength: undefined,
    keyUsage: undefined,
    extendedKeyUsage: undefined,
    uris: [],
    dnsNames: [],
    otherNames: 0,
    permittedDns: undefined,
    unknownCritical: undefined,
  };
  return { certificate, fields, innerHash };
}

/** @throws DerError for anything that is not one whole certificate with an ECDSA signature. */
export function readCertificate(der: Uint8Array): Certificate {
  const { certificate, fields, innerHash } = readBody(der);
  if (innerHash !== certificate.hash) throw new DerError('two signature algorithms');
  if (fields.nextTag === 0xa3) readExtensions(certificate, fields.read(0xa3));
  fields.end();
  return certificate;
}
