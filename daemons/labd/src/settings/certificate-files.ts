/** Certificates of the operator's own: for browsers by the name of `labd.public_url`, and for nodes. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { LabdOptions } from './labd-options.ts';
import { readSettingFile, wrongSetting } from './wrong-setting.ts';

/** PEM. */
type KeyAndCertificate = { key: string; cert: string };
export type CertificateFiles = {
  /** `name`: the host by which browsers ask for it (SNI). */
  browser: { name: string; certificate: KeyAndCertificate } | undefined;
  node: KeyAndCertificate | undefined;
};

type Named = { key: string; path: string | undefined };

/** @throws OptionsError: one without the other, a file that cannot be read or is none, a key that is another's */
function readPair(cert: Named, key: Named): KeyAndCertificate | undefined {
  if (cert.path === undefined && key.path === undefined) return undefined;
  if (cert.path === undefined || key.path === undefined)
    throw wrongSetting(cert.key, `goes with ${key.key}: both, or neither`);
  const pair = { cert: readSettingFile(cert.path, cert.key), key: readSettingFile(key.path, key.key) };
  // What a parser says of a key file could hold a part of it.
  const parse = <T>(of: Named, what: string, work: () => T): T => {
    try {
      return work();
    } catch {
      throw wrongSetting(of.key, `${of.path} holds no ${what} in PEM`);
    }
  };
  const certificate = parse(cert, 'certificate', () => new X509Certificate(pair.cert));
  const privateKey = parse(key, 'private key', () => createPrivateKey(pair.key));
  if (!certificate.checkPrivateKey(privateKey)) throw wrongSetting(key.key, `is not the key of ${cert.key}`);
  return pair;
}

/** Reads what the settings name. @throws OptionsError (exit 3) with the key */
export function readCertificateFiles(options: LabdOptions): CertificateFiles {
  const browser = readPair(
    { key: 'labd.tls_cert_file', path: options.tlsCertFile },
    { key: 'labd.tls_key_file', path: options.tlsKeyFile },
  );
  if (browser !== undefined && options.publicUrl === undefined)
    throw wrongSetting('labd.public_url', 'is needed: browsers get labd.tls_cert_file by its host name');
  const node = readPair(
    { key: 'conplane.tls_cert', path: options.conplaneTlsCert },
    { key: 'conplane.tls_key', path: options.conplaneTlsKey },
  );
  const name = new URL(options.publicUrl ?? 'https://localhost').hostname;
  return { browser: browser && { name, certificate: browser }, node };
}
