import type { KeyRing } from '../keys/key-ring.ts';
import { isKmsSigner } from '../keys/kms.ts';

/** Where the private part of each key of a ring is, the log's last: `file`, `none`, or its name in a service. */
export const placesOf = ({ keys, log }: KeyRing) =>
  [...keys.map(({ signer }) => signer), log.signer].map((signer) => {
    if (signer === undefined) return 'none';
    return isKmsSigner(signer) ? `${signer.kms.key} ${signer.kms.version}` : 'file';
  });
