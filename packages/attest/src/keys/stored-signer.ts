/** Where a key's private part is, as the key file has it: in it, or in a service, whose name for it stands there. */
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import type { RingSigner } from './key-ring.ts';
import { isKmsSigner, type Kms, kmsSigner } from './kms.ts';
import { type PublicKey, publicKeyFromSpki } from './public-key.ts';
import { signerFromPkcs8 } from './signing-key.ts';

/** A name that is one word of a path, and none that leads elsewhere. */
const kmsName = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}$/);
const kms = z.strictObject({ key: kmsName, version: z.int().min(1) });

export const storedSigner = {
  /** Secret; null of a key whose time is over, and of one in a service. */
  pkcs8: z.string().nullable(),
  kms: kms.optional(),
};
export const storedLogSchema = z.union([
  z.strictObject({ origin: z.string().min(1), pkcs8: z.string() }),
  z.strictObject({ origin: z.string().min(1), spki: z.string(), kms }),
]);
export type StoredLog = z.infer<typeof storedLogSchema>;
type StoredSigner = { pkcs8: string | null; kms?: z.infer<typeof kms> | undefined };

/** @param service undefined where none is set @throws AttestRefused KEY_BAD, BASE64_BAD */
export function readSigner(key: PublicKey, stored: StoredSigner, service: Kms | undefined): RingSigner | undefined {
  const { pkcs8, kms: ref } = stored;
  if (ref !== undefined && pkcs8 !== null) throw new AttestRefused('KEY_BAD', 'a key lies here and in a service');
  if (ref !== undefined) return kmsSigner(service, ref, key);
  const signer = pkcs8 === null ? undefined : signerFromPkcs8(fromBase64(pkcs8));
  if (signer === undefined || signer.publicKey.keyid === key.keyid) return signer;
  throw new AttestRefused('KEY_BAD', 'a private key and its public key do not belong together');
}

/** @throws AttestRefused KEY_BAD, BASE64_BAD, ALGORITHM_UNKNOWN */
export const readLogSigner = (log: StoredLog, service: Kms | undefined): RingSigner =>
  'pkcs8' in log
    ? signerFromPkcs8(fromBase64(log.pkcs8))
    : kmsSigner(service, log.kms, publicKeyFromSpki(fromBase64(log.spki)));

/** Secret. */
export const signerToStore = (signer: RingSigner | undefined): StoredSigner => ({
  pkcs8: signer === undefined || isKmsSigner(signer) ? null : toBase64(signer.exportPkcs8()),
  ...(signer !== undefined && isKmsSigner(signer) && { kms: signer.kms }),
});

/** Secret. */
export const logToStore = (origin: string, signer: RingSigner): StoredLog =>
  isKmsSigner(signer)
    ? { origin, spki: toBase64(signer.publicKey.spki), kms: signer.kms }
    : { origin, pkcs8: toBase64(signer.exportPkcs8()) };
