/** The certificate library, loaded after the metadata shim that it wants to find. The only file that imports it. */
// Twice on purpose: run as it stands, the package must come first here; bundled, the module of our own does.
import 'reflect-metadata';
import './metadata-shim.ts';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  PublicKey,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

export const requests = Pkcs10CertificateRequestGenerator;
export const certificates = X509CertificateGenerator;
export const usage = KeyUsageFlags;
export type AnyExtension = Extension;

export const publicKey = (spki: Uint8Array): PublicKey => new PublicKey(Buffer.from(spki));
/** A name exactly as a certificate has it, so that issuer and subject are the same bytes. */
export const subjectOf = (der: Uint8Array) => new X509Certificate(Buffer.from(der)).subjectName;
/** Extensions by what they say. All but the names are critical where RFC 5280 wants them so. */
export const extension = {
  ca: (pathLength: number) => new BasicConstraintsExtension(true, pathLength, true),
  notCa: () => new BasicConstraintsExtension(false, undefined, true),
  keyUsage: (flags: KeyUsageFlags) => new KeyUsagesExtension(flags, true),
  extendedUsage: (oids: string[]) => new ExtendedKeyUsageExtension(oids),
  names: (names: { type: 'url' | 'dns' | 'ip'; value: string }[]) => new SubjectAlternativeNameExtension(names),
  raw: (oid: string, isCritical: boolean, value: Uint8Array) => new Extension(oid, isCritical, Buffer.from(value)),
};
