/**
 * Whom a verifier trusts (spec CT6, trust.json): keys with what each may sign and when, the log, and how many keys have
 * to have signed. This file is all that has to reach a verifier by a way that nobody else can write to.
 */
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import type { EnvelopeJson } from '../dsse/envelope.ts';
import { canonicalJson } from '../json/canonical-json.ts';
import { parseJson } from '../json/parse-json.ts';
import { instant, instantOf, instantText } from '../statement/instant.ts';
import { type PublicKey, publicKeyFromRaw, publicKeyFromSpki, rawEd25519 } from './public-key.ts';

/**
 * What a key may sign. Revocations have a key of their own: who steals the one that signs certificates must not be able
 * to sign the list that cuts it off.
 */
export const keyUsages = ['certificate', 'revocation'] as const;
export type KeyUsage = (typeof keyUsages)[number];

export type TrustedKey = PublicKey & {
  usage: KeyUsage;
  /** Unix milliseconds; what was signed before is not its. */
  notBefore: number;
  /** Unix milliseconds, not included; undefined = open. */
  notAfter: number | undefined;
  /** What the key before it says of it; undefined of a first key. */
  endorsement: EnvelopeJson | undefined;
};

export type TrustedLog = { origin: string; key: PublicKey };

export type Trust = {
  keys: readonly TrustedKey[];
  /** With a log named, a certificate without proof of it is refused. */
  log: TrustedLog | undefined;
  /** Keys that have to have signed a certificate, at least 1. */
  threshold: number;
};

/** Keys a trust file may hold; also the bound of rotations that are remembered. */
export const trustedKeysMax = 64;

export const endorsementSchema = z.object({
  payload: z.string(),
  payloadType: z.string(),
  signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })),
});

const schema = z.looseObject({
  keys: z
    .array(
      z.looseObject({
        keyid: z.string(),
        spki: z.string(),
        not_before: instant,
        not_after: instant.nullable(),
        usage: z.string(),
        endorsement: endorsementSchema.optional(),
      }),
    )
    .max(trustedKeysMax),
  log: z.looseObject({ origin: z.string(), key: z.string() }).nullish(),
  threshold: z.int().min(1).max(16),
});

const isUsage = (text: string): text is KeyUsage => (keyUsages as readonly string[]).includes(text);
const refuse = (what: string) => new AttestRefused('TRUST_BAD', what);

/**
 * Reads trust.json. Keys with a usage unknown here are passed over.
 * @throws AttestRefused TRUST_BAD: not of this form, a keyid that is not its key's hash, a key twice, or fewer keys than
 * the threshold asks for.
 */
export function parseTrust(bytes: Uint8Array): Trust {
  const parsed = schema.safeParse(parseJson(bytes));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refuse(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a trust file'}`);
  }
  const { keys, log, threshold } = parsed.data;
  const trusted = keys.flatMap(({ keyid, spki, usage, not_before, not_after, endorsement }): TrustedKey[] => {
    const key = publicKeyFromSpki(fromBase64(spki));
    if (key.keyid !== keyid) throw refuse('a keyid is not the hash of its key');
    if (!isUsage(usage)) return [];
    const notAfter = not_after === null ? undefined : instantOf(not_after);
    return [{ ...key, usage, notBefore: instantOf(not_before), notAfter, endorsement }];
  });
  if (new Set(keys.map(({ keyid }) => keyid)).size !== keys.length) throw refuse('a key stands twice');
  if (trusted.filter(({ usage }) => usage === 'certificate').length < threshold) {
    throw refuse('fewer keys for certificates than the threshold asks for');
  }
  const trustedLog = log ? { origin: log.origin, key: publicKeyFromRaw(fromBase64(log.key)) } : undefined;
  return { keys: trusted, log: trustedLog, threshold };
}

/** The text of trust.json. */
export function trustText({ keys, log, threshold }: Trust): string {
  return canonicalJson({
    keys: keys.map(({ keyid, spki, usage, notBefore, notAfter, endorsement }) => ({
      keyid,
      spki: toBase64(spki),
      usage,
      not_before: instantText(notBefore),
      not_after: notAfter === undefined ? null : instantText(notAfter),
      endorsement,
    })),
    ...(log !== undefined && { log: { origin: log.origin, key: toBase64(rawEd25519(log.key)) } }),
    threshold,
  });
}

/** Trust in one key for certificates and nothing else: no log, no revocations, no time bound. */
export const trustInKey = (key: PublicKey): Trust => ({
  keys: [{ ...key, usage: 'certificate', notBefore: 0, notAfter: undefined, endorsement: undefined }],
  log: undefined,
  threshold: 1,
});

/** Whether a key was in force at an instant, Unix milliseconds. */
export const isInForce = ({ notBefore, notAfter }: TrustedKey, at: number): boolean =>
  at >= notBefore && (notAfter === undefined || at < notAfter);

export const keysFor = ({ keys }: Trust, usage: KeyUsage): readonly TrustedKey[] =>
  keys.filter((key) => key.usage === usage);
