/** Roots that labd tells over a link (CA-10). */
import { certificatesIn, toPem } from '@labmesh/pki/der/pem';
import { readCertificate } from '@labmesh/pki/der/read-certificate';

/**
 * The roots of a told bundle and nothing else that may stand in it, PEM. One that is no CA spoils all: with half of them
 * kept, this machine might never find back to labd.
 * @throws RangeError.
 */
export function rootsOf(bundlePem: string): string {
  const roots = certificatesIn(bundlePem);
  const isCa = (der: Uint8Array) => {
    try {
      return readCertificate(der).isCa;
    } catch {
      return false;
    }
  };
  if (roots.length === 0 || !roots.every(isCa)) throw new RangeError('this is no bundle of CA certificates');
  return roots.map((der) => toPem('CERTIFICATE', der)).join('');
}
