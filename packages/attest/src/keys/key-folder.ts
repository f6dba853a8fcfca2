/**
 * An issuer's folder: `keys.json` with the private keys (0600), `trust.json` for verifiers, `revocations.json` (signed),
 * and the log in `log`. Who changes it holds the folder's lock.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { utf8 } from '../bytes/bytes.ts';
import { canonicalBytes } from '../json/canonical-json.ts';
import { jsonBytesMax, parseJson } from '../json/parse-json.ts';
import { instant, instantOf, instantText } from '../statement/instant.ts';
import { type KeyRing, newKeyRing, type RingKey, trustOf } from './key-ring.ts';
import { readPrivate, writeWhole } from './private-file.ts';
import { publicKeyFromSpki } from './public-key.ts';
import { signerFromPkcs8 } from './signing-key.ts';
import { endorsementSchema, keyUsages, trustedKeysMax, trustText } from './trust.ts';

export const folderFiles = {
  keys: 'keys.json',
  trust: 'trust.json',
  revocations: 'revocations.json',
  log: 'log',
} as const;

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

/**
 * The keys in a folder; undefined when there are none.
 * @throws AttestRefused KEY_BAD when the file can be read by others or is not of this form; never with text of it.
 */
export async function readKeyRing(folder: string): Promise<KeyRing | undefined> {
  const bytes = await readPrivate(join(folder, folderFiles.keys), jsonBytesMax);
  if (bytes === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(bytes));
  if (!parsed.success) throw new AttestRefused('KEY_BAD', `${join(folder, folderFiles.keys)} is no key file`);
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

/** Writes the keys, then what verifiers are given. */
export async function writeKeyRing(folder: string, ring: KeyRing): Promise<void> {
  const { origin, signer } = ring.log;
  const log = { origin, pkcs8: toBase64(signer.exportPkcs8()) };
  const file = { version: 1, keys: ring.keys.map(storedKey), log, threshold: ring.threshold };
  await writeWhole(join(folder, folderFiles.keys), canonicalBytes(file));
  await writeTrust(folder, ring);
}

const writeTrust = (folder: string, ring: KeyRing) =>
  writeWhole(join(folder, folderFiles.trust), utf8(trustText(trustOf(ring))), 0o644);

/**
 * The keys in a folder, made when there are none. What verifiers are given is written anew: a crash may have come
 * between the two. @param now Unix milliseconds @param origin name of a log that is made
 */
export async function openKeyRing(folder: string, now: number, origin?: string): Promise<KeyRing> {
  const ring = await readKeyRing(folder);
  if (ring !== undefined) {
    await writeTrust(folder, ring);
    return ring;
  }
  const made = newKeyRing(now, origin);
  await writeKeyRing(folder, made);
  return made;
}
