/**
 * Revocation lists (CA-9, RFC 5280 section 5). Written with our own small DER writer: the library takes a millisecond
 * an entry. The PEM header is `X509 CRL`; OpenSSL and BoringSSL refuse a plain `CRL`.
 */
import type { Certificate } from '../der/read-certificate.ts';
import { element, objectId, positiveInteger, sequence, time } from '../der/write-der.ts';
import { toPem } from '../der/pem.ts';
import type { Issuer, SigningKey } from './profiles.ts';

export const crlLabel = 'X509 CRL';

/** Serial in hex, Unix ms. */
export type RevokedSerial = { serial: string; revokedAt: number };

export type CrlRequest = {
  issuer: Issuer;
  /** Rises with each list of one issuer. */
  number: number;
  /** Unix ms. */
  thisUpdate: number;
  nextUpdate: number;
  revoked: readonly RevokedSerial[];
};

export type Crl = { der: Uint8Array; pem: string };

const ecdsaWith = { 'P-256': '1.2.840.10045.4.3.2', 'P-384': '1.2.840.10045.4.3.3' } as const;
const crlNumberOid = '2.5.29.20';
const authorityIdentifierOid = '2.5.29.35';

/** WebCrypto gives both numbers side by side; X.509 wants a sequence of integers. */
async function signDer(key: SigningKey, bytes: Uint8Array): Promise<Buffer> {
  const hash = key.curve === 'P-256' ? 'SHA-256' : 'SHA-384';
  const raw = Buffer.from(
    await crypto.subtle.sign({ name: 'ECDSA', hash }, key.privateKey, new Uint8Array(bytes)),
  ).toString('hex');
  const half = raw.length / 2;
  return sequence(positiveInteger(raw.slice(0, half)), positiveInteger(raw.slice(half)));
}

function extensions(issuer: Certificate, number: number): Buffer {
  const keyIdentifier = Buffer.from(issuer.keyHash, 'hex').subarray(0, 20);
  const list = [
    [authorityIdentifierOid, sequence(element(0x80, keyIdentifier))],
    [crlNumberOid, positiveInteger(number.toString(16))],
  ] as const;
  return element(0xa0, sequence(...list.map(([oid, value]) => sequence(objectId(oid), element(0x04, value)))));
}

/** A signed list of one issuer. */
export async function createCrl(request: CrlRequest): Promise<Crl> {
  const { issuer, number, thisUpdate, nextUpdate, revoked } = request;
  const algorithm = sequence(objectId(ecdsaWith[issuer.key.curve]));
  const entries = revoked.map(({ serial, revokedAt }) => sequence(positiveInteger(serial), time(revokedAt)));
  const body = sequence(
    positiveInteger('1'),
    algorithm,
    issuer.certificate.subject,
    time(thisUpdate),
    time(nextUpdate),
    // An empty list of entries is left out, not written empty (5.1.2.6).
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    extensions(issuer.certificate, number),
  );
  const signature = element(0x03, Buffer.from([0]), await signDer(issuer.key, body));
  const der = new Uint8Array(sequence(body, algorithm, signature));
  return { der, pem: toPem(crlLabel, der) };
}
