/**
 * The keys of one issuer: one in force for each use, one that may be announced, and the public parts of those that were.
 * A rotation announces the next key a day before it signs, signed by the one in force; what the old one signed stays
 * valid, since its time is what counts. When its time is over its private part is thrown away.
 */
import { AttestRefused } from '../attest-refused.ts';
import type { EnvelopeJson } from '../dsse/envelope.ts';
import { checkNoteName } from '../merkle/signed-note.ts';
import { endorseKey } from './endorsement.ts';
import type { PublicKey } from './public-key.ts';
import { type FileSigner, generateSigner } from './signing-key.ts';
import { isInForce, type KeyUsage, type Trust, trustedKeysMax } from './trust.ts';

export type RingKey = PublicKey & {
  usage: KeyUsage;
  /** Unix milliseconds. */
  notBefore: number;
  /** Unix milliseconds, not included; undefined = open. */
  notAfter: number | undefined;
  /** Undefined when the key's time is over. */
  signer: FileSigner | undefined;
  /** What the key before says of this one; undefined of a first key, and of one that follows a stolen one. */
  endorsement: EnvelopeJson | undefined;
};

export type KeyRing = {
  keys: readonly RingKey[];
  log: { origin: string; signer: FileSigner };
  threshold: number;
};

/** How long before its first signature a key has to be known. */
export const announcedMs = 86_400_000;

function newKey(usage: KeyUsage, notBefore: number): RingKey & { signer: FileSigner } {
  const signer = generateSigner();
  return { ...signer.publicKey, usage, notBefore, notAfter: undefined, signer, endorsement: undefined };
}

/** First keys. @param origin name of the log; without one it is named after its key. @throws AttestRefused NOTE_BAD */
export function newKeyRing(now: number, origin?: string): KeyRing {
  const signer = generateSigner();
  return {
    keys: [newKey('certificate', now), newKey('revocation', now)],
    log: { origin: checkNoteName(origin ?? `labmesh/${signer.publicKey.keyid.slice(0, 16)}`), signer },
    threshold: 1,
  };
}

/** The key that signs now. @throws AttestRefused KEY_NOT_FOUND */
export function keyInForce(ring: KeyRing, usage: KeyUsage, now: number): RingKey & { signer: FileSigner } {
  for (const { signer, ...key } of ring.keys.toReversed()) {
    if (key.usage === usage && signer !== undefined && isInForce(key, now)) return { ...key, signer };
  }
  throw new AttestRefused('KEY_NOT_FOUND', `no key for ${usage} is in force`);
}

/** Without the private parts of keys whose time is over. */
const withoutPast = (keys: readonly RingKey[], now: number): RingKey[] =>
  keys.map((key) => (key.notAfter !== undefined && key.notAfter <= now ? { ...key, signer: undefined } : key));

function withKey(ring: KeyRing, keys: readonly RingKey[], now: number): KeyRing {
  if (keys.length > trustedKeysMax) throw new AttestRefused('TOO_LARGE', `a ring has at most ${trustedKeysMax} keys`);
  return { ...ring, keys: withoutPast(keys, now) };
}

/**
 * Announces the next key; the one in force signs until that begins.
 * @throws AttestRefused KEY_WINDOW while an announced one has not begun; TOO_LARGE
 */
export async function rotateKey(ring: KeyRing, usage: KeyUsage, now: number): Promise<KeyRing> {
  if (ring.keys.some((key) => key.usage === usage && key.notBefore > now)) {
    throw new AttestRefused('KEY_WINDOW', 'the next key is announced already and has not begun');
  }
  const old = keyInForce(ring, usage, now);
  const next = newKey(usage, now + announcedMs);
  const endorsed = { ...next, endorsement: await endorseKey(next, old.signer) };
  const ended = ring.keys.map((key) => (key.keyid === old.keyid ? { ...key, notAfter: next.notBefore } : key));
  return withKey(ring, [...ended, endorsed], now);
}

/**
 * Ends a key at once, such as a stolen one, and makes another where it would have signed. It does not endorse that:
 * verifiers learn of it by the way they learned of the first key, or by one that was announced and ended before its time.
 * @throws AttestRefused KEY_NOT_FOUND
 */
export async function endKey(ring: KeyRing, keyid: string, now: number): Promise<KeyRing> {
  const ended = ring.keys.find((key) => key.keyid === keyid);
  if (ended === undefined) throw new AttestRefused('KEY_NOT_FOUND', 'there is no such key');
  const end = Math.min(ended.notAfter ?? now, now);
  const keys = ring.keys.map((key) => (key.keyid === keyid ? { ...key, notAfter: end } : key));
  const able = keys.find((key) => key.usage === ended.usage && key.signer !== undefined && isInForce(key, now));
  if (able !== undefined && ended.notBefore <= now) return withKey(ring, keys, now);
  const next = newKey(ended.usage, Math.max(now, ended.notBefore));
  const endorsement = able?.signer && (await endorseKey(next, able.signer));
  return withKey(ring, [...keys, { ...next, endorsement }], now);
}

/** What verifiers are given. */
export const trustOf = ({ keys, log, threshold }: KeyRing): Trust => ({
  keys,
  log: { origin: log.origin, key: log.signer.publicKey },
  threshold,
});
