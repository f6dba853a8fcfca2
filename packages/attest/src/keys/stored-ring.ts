/** A key ring as its file has it. Nothing of the file is ever in an error. */
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { canonicalBytes } from '../json/canonical-json.ts';
import { parseJson } from '../json/parse-json.ts';
import { instant, instantOf, instantText } from '../statement/instant.ts';
import type { KeyRing, RingKey } from './key-ring.ts';
import { publicKeyFromSpki } from './public-key.ts';
import { signerFromPkcs8 } from './signing-key.ts';
import { endorsementSchema, keyUsages, trustedKeysMax } from './trust.ts';

const schema = z.strictObject({
  version: z.literal(1),
  keys: z
    .array(
      z.strictObject({
        usage: z.enum(keyUsages),
        spki: z.string(),
        not_before: instant,
        not_after: instant.nullable(),
        /** Secret. */
        pkcs8: z.string().nullable(),
        endorsement: endorsementSchema.nullable(),
      }),
    )
    .max(trustedKeysMax),
  log: z.strictObject({ origin: z.string().min(1), pkcs8: z.string() }),
  threshold: z.int().min(1).max(16),
});

type StoredKey = z.infer<typeof schema>['keys'][number];

function ringKey({ usage, spki, not_before, not_after, pkcs8, endorsement }: StoredKey): RingKey {
  const key = publicKeyFromSpki(fromBase64(spki));
  const signer = pkcs8 === null ? undefined : signerFromPkcs8(fromBase64(pkcs8));
  if (signer !== undefined && signer.publicKey.keyid !== key.keyid) {
    throw new AttestRefused('KEY_BAD', 'a private key and its public key do not belong together');
  }
  const notAfter = not_after === null ? undefined : instantOf(not_after);
  return { ...key, usage, notBefore: instantOf(not_before), notAfter, signer, endorsement: endorsement ?? undefined };
}

/** @throws AttestRefused KEY_BAD, JSON_BAD, BASE64_BAD, ALGORITHM_UNKNOWN */
export function parseKeyRing(bytes: Uint8Array): KeyRing {
  const parsed = schema.safeParse(parseJson(bytes));
  if (!parsed.success) throw new AttestRefused('KEY_BAD', 'it is no key file');
  const { keys, log, threshold } = parsed.data;
  return {
    keys: keys.map(ringKey),
    log: { origin: log.origin, signer: signerFromPkcs8(fromBase64(log.pkcs8)) },
    threshold,
  };
}

const storedKey = ({ usage, spki, notBefore, notAfter, signer, endorsement }: RingKey): StoredKey => ({
  usage,
  spki: toBase64(spki),
  not_before: instantText(notBefore),
  not_after: notAfter === undefined ? null : instantText(notAfter),
  pkcs8: signer === undefined ? null : toBase64(signer.exportPkcs8()),
  endorsement: endorsement ?? null,
});

/** What the file holds once it is opened: all private keys. Secret. */
export function keyRingBytes({ keys, log, threshold }: KeyRing): Uint8Array<ArrayBuffer> {
  const storedLog = { origin: log.origin, pkcs8: toBase64(log.signer.exportPkcs8()) };
  return canonicalBytes({ version: 1, keys: keys.map(storedKey), log: storedLog, threshold });
}
