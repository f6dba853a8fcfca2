/**
 * Revocation lists (CA-9, RFC 5280 section 5). Written with our own small DER writer: the library takes a millisecond
 * an entry. The PEM header is `X509 CRL`; OpenSSL and BoringSSL refuse a plain `CRL`.
 */
import type { Certificate } from '../der/read-certificate.ts';
import { element, objectId, positiveInteger, sequence, time } from '../der/write-der.ts';
import { toPem } from '../der/pem.ts';
import type { Issuer } from './profiles.ts';
import { signDer } from './sign-der.ts';

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

const crlNumberOid = '2.5.29.20';
const authorityIdentifierOid = '2.5.29.35';

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
  const entries = revoked.map(({ serial, revokedAt }) => sequence(positiveInteger(serial), time(revokedAt)));
  const der = await signDer(issuer.key, (algorithm) =>
    sequence(
      positiveInteger('1'),
      algorithm,
      issuer.certificate.subject,
      time(thisUpdate),
      time(nextUpdate),
      // An empty list of entries is left out, not written empty (5.1.2.6).
      ...(entries.length === 0 ? [] : [sequence(...entries)]),
      extensions(issuer.certificate, number),
    ),
  );
  return { der, pem: toPem(crlLabel, der) };
}
