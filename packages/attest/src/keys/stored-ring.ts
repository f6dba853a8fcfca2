/** A key ring as its file has it. Nothing of the file is ever in an error. */
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { canonicalBytes } from '../json/canonical-json.ts';
import { parseJson } from '../json/parse-json.ts';
import { instant, instantOf, instantText } from '../statement/instant.ts';
import type { KeyRing, RingKey } from './key-ring.ts';
import { publicKeyFromSpki } from './public-key.ts';
import {
  logToStore,
  readLogSigner,
  readSigner,
  signerToStore,
  storedLogSchema,
  storedSigner,
} from './stored-signer.ts';
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
        ...storedSigner,
        endorsement: endorsementSchema.nullable(),
      }),
    )
    .max(trustedKeysMax),
  log: storedLogSchema,
  threshold: z.int().min(1).max(16),
});

type StoredKey = z.infer<typeof schema>['keys'][number];
type Service = Parameters<typeof readSigner>[2];

function ringKey(stored: StoredKey, service: Service): RingKey {
  const { usage, spki, not_before, not_after, endorsement } = stored;
  const key = publicKeyFromSpki(fromBase64(spki));
  const signer = readSigner(key, stored, service);
  const notAfter = not_after === null ? undefined : instantOf(not_after);
  return { ...key, usage, notBefore: instantOf(not_before), notAfter, signer, endorsement: endorsement ?? undefined };
}

/** @param service signs for keys that lie in one @throws AttestRefused KEY_BAD, JSON_BAD, BASE64_BAD, ALGORITHM_UNKNOWN */
export function parseKeyRing(bytes: Uint8Array, service?: Service): KeyRing {
  const parsed = schema.safeParse(parseJson(bytes));
  if (!parsed.success) throw new AttestRefused('KEY_BAD', 'it is no key file');
  const { keys, log, threshold } = parsed.data;
  return {
    keys: keys.map((key) => ringKey(key, service)),
    log: { origin: log.origin, signer: readLogSigner(log, service) },
    threshold,
  };
}

const storedKey = ({ usage, spki, notBefore, notAfter, signer, endorsement }: RingKey): StoredKey => ({
  usage,
  spki: toBase64(spki),
  not_before: instantText(notBefore),
  not_after: notAfter === undefined ? null : instantText(notAfter),
  ...signerToStore(signer),
  endorsement: endorsement ?? null,
});

/** What the file holds once it is opened: all private keys that are not in a service. Secret. */
export function keyRingBytes({ keys, log, threshold }: KeyRing): Uint8Array<ArrayBuffer> {
  return canonicalBytes({ version: 1, keys: keys.map(storedKey), log: logToStore(log.origin, log.signer), threshold });
}
