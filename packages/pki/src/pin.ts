/**
 * Pins (JT-6): `sha256:` and 64 hex digits of SHA-256 over a root's SubjectPublicKeyInfo, several by comma. Whoever
 * joins knows one; it fetches the bundle unverified, keeps the roots that match and connects again, verified by them.
 */
import { certificatesIn, toPem } from './der/pem.ts';
import { readCertificate, sha256Hex } from './der/read-certificate.ts';

const pinPattern = /^sha256:[0-9a-f]{64}$/;
/** Pins in one list. */
const pinsMax = 8;

/** The pin of one certificate, PEM or DER. @throws RangeError when it is none. */
export function pinOf(certificate: string | Uint8Array): string {
  const der = typeof certificate === 'string' ? certificatesIn(certificate)[0] : certificate;
  if (der === undefined) throw new RangeError('there is no certificate');
  return `sha256:${readCertificate(der).keyHash}`;
}

/** Pins in a text, lower case; undefined when one of them is not a pin, so that a typing error never means "any". */
export function parsePins(text: string): string[] | undefined {
  const pins = text.split(',').map((part) => part.trim().toLowerCase());
  return pins.length <= pinsMax && pins.every((pin) => pinPattern.test(pin)) ? pins : undefined;
}

/** Whether the root has one of the pins; false when the text is no list of pins or the certificate cannot be read. */
export const matchesPin = (certificate: string | Uint8Array, pins: string): boolean =>
  pinnedRoots(typeof certificate === 'string' ? certificate : toPem('CERTIFICATE', certificate), pins) !== undefined;

/**
 * The roots of an unverified bundle that match, as PEM for `ca`; undefined when none does. Others in it are left out:
 * whoever answered may have added its own.
 */
export function pinnedRoots(bundlePem: string, pins: string): string | undefined {
  const wanted = parsePins(pins) ?? [];
  const found = certificatesIn(bundlePem).filter((der) => {
    try {
      const certificate = readCertificate(der);
      return certificate.isCa && wanted.includes(`sha256:${certificate.keyHash}`);
    } catch {
      return false;
    }
  });
  return found.length === 0 ? undefined : found.map((der) => toPem('CERTIFICATE', der)).join('');
}

/** SHA-256 over the certificates of a bundle, sorted: what an agent reports to say which roots it has (CA-10). */
export const bundleDigest = (bundlePem: string): string =>
  sha256Hex(Buffer.from(certificatesIn(bundlePem).map(sha256Hex).toSorted().join('\n')));
