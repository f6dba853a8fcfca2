/**
 * The keys of one issuer: one in force for each use, one that may be announced, and the public parts of those that were.
 * A rotation announces the next key a day before it signs, signed by the one in force; what the old one signed stays
 * valid, since its time is what counts. When its time is over its private part is thrown away.
 */
import { AttestRefused } from '../attest-refused.ts';
import type { EnvelopeJson } from '../dsse/envelope.ts';
import { checkNoteName } from '../merkle/signed-note.ts';
import { endOf, endorseKey } from './endorsement.ts';
import { isKmsSigner, type Kms, type KmsSigner, nextKmsSigner } from './kms.ts';
import type { PublicKey } from './public-key.ts';
import { type FileSigner, generateSigner } from './signing-key.ts';
import { isInForce, type KeyUsage, keyUsages, type Trust, trustedKeysMax } from './trust.ts';

/** Its private part is in the key file, or in a key management service. */
export type RingSigner = FileSigner | KmsSigner;

export type RingKey = PublicKey & {
  usage: KeyUsage;
  /** Unix milliseconds. */
  notBefore: number;
  /** Unix milliseconds, not included; undefined = open. */
  notAfter: number | undefined;
  /** Undefined when the key's time is over. */
  signer: RingSigner | undefined;
  /** What the key before says of this one; undefined of a first key, and of one that follows a stolen one. */
  endorsement: EnvelopeJson | undefined;
};

export type KeyRing = {
  keys: readonly RingKey[];
  log: { origin: string; signer: RingSigner };
  threshold: number;
};

/** How long before its first signature a key has to be known. */
export const announcedMs = 86_400_000;

type AbleKey = RingKey & { signer: RingSigner };

const newKey = (usage: KeyUsage, notBefore: number, signer: RingSigner): AbleKey => ({
  ...signer.publicKey,
  usage,
  notBefore,
  notAfter: undefined,
  signer,
  endorsement: undefined,
});

type FirstSigners = Record<KeyUsage | 'log', RingSigner>;

function firstRing({ certificate, revocation, log }: FirstSigners, now: number, origin: string | undefined): KeyRing {
  const name = checkNoteName(origin ?? `labmesh/${log.publicKey.keyid.slice(0, 16)}`);
  const keys = [newKey('certificate', now, certificate), newKey('revocation', now, revocation)];
  return { keys, log: { origin: name, signer: log }, threshold: 1 };
}

/** First keys. @param origin name of the log; without one it is named after its key. @throws AttestRefused NOTE_BAD */
export function newKeyRing(now: number, origin?: string): KeyRing {
  const signers = { certificate: generateSigner(), revocation: generateSigner(), log: generateSigner() };
  return firstRing(signers, now, origin);
}

/** The same with all three in a service. @throws AttestRefused also KMS_…; KEY_BAD when two of them are one key */
export async function newKmsKeyRing(kms: Kms, now: number, origin?: string): Promise<KeyRing> {
  const [certificate, revocation, log] = [
    await nextKmsSigner(kms, 'certificate'),
    await nextKmsSigner(kms, 'revocation'),
    await nextKmsSigner(kms, 'log'),
  ];
  const ids = new Set([certificate, revocation, log].map(({ publicKey }) => publicKey.keyid));
  if (ids.size < 3) throw new AttestRefused('KEY_BAD', 'the service gives one key for two uses');
  return firstRing({ certificate, revocation, log }, now, origin);
}

/** A key that the ring does not have yet, where its keys are made now. */
async function freshKey(ring: KeyRing, usage: KeyUsage, notBefore: number, kms: Kms | undefined): Promise<AbleKey> {
  if (kms === undefined) return newKey(usage, notBefore, generateSigner());
  const known = new Set([...ring.keys, ring.log.signer.publicKey].map(({ keyid }) => keyid));
  return newKey(usage, notBefore, await nextKmsSigner(kms, usage, ({ keyid }) => known.has(keyid)));
}

/** The key that signs now. @throws AttestRefused KEY_NOT_FOUND */
export function keyInForce(ring: KeyRing, usage: KeyUsage, now: number): AbleKey {
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
 * @param kms where it is made; undefined = here, for the key file. The one before may be of the other kind
 * @throws AttestRefused KEY_WINDOW while an announced one has not begun; TOO_LARGE; KMS_…
 */
export async function rotateKey(ring: KeyRing, usage: KeyUsage, now: number, kms?: Kms): Promise<KeyRing> {
  if (ring.keys.some((key) => key.usage === usage && key.notBefore > now)) {
    throw new AttestRefused('KEY_WINDOW', 'the next key is announced already and has not begun');
  }
  const old = keyInForce(ring, usage, now);
  const next = await freshKey(ring, usage, now + announcedMs, kms);
  const endorsed = { ...next, endorsement: await endorseKey(next, old.signer) };
  const ended = ring.keys.map((key) => (key.keyid === old.keyid ? { ...key, notAfter: next.notBefore } : key));
  return withKey(ring, [...ended, endorsed], now);
}

/**
 * Ends a key at once, such as a stolen one. It asks nobody: what keeps the keys may be away. What signs in its place is made
 * by `succeedEnded`. @throws AttestRefused KEY_NOT_FOUND
 */
export function endKey(ring: KeyRing, keyid: string, now: number): KeyRing {
  const ended = ring.keys.find((key) => key.keyid === keyid);
  if (ended === undefined) throw new AttestRefused('KEY_NOT_FOUND', 'there is no such key');
  const end = Math.min(ended.notAfter ?? now, now);
  const keys = ring.keys.map((key) => (key.keyid === keyid ? { ...key, notAfter: end } : key));
  return withKey(ring, keys, now);
}

/**
 * Makes a key for each use that has none now, or none after the one in force. One that is in force endorses it, an ended one
 * does not: verifiers learn of it by the way they learned of the first key, or by one that was announced and ended before its
 * time. The same ring where nothing is missing.
 * @param kms as of rotateKey
 * @throws AttestRefused KMS_…, TOO_LARGE
 */
export async function succeedEnded(ring: KeyRing, now: number, kms?: Kms): Promise<KeyRing> {
  let grown = ring;
  for (const usage of keyUsages) grown = await succeedUse(grown, usage, now, kms);
  return grown;
}

async function succeedUse(ring: KeyRing, usage: KeyUsage, now: number, kms: Kms | undefined): Promise<KeyRing> {
  const usable = ring.keys.filter((key) => key.usage === usage && key.signer !== undefined && endOf(key) > now);
  const able = usable.find((key) => isInForce(key, now));
  const last = Math.max(now, ...usable.map(endOf));
  if (able !== undefined && last === Number.POSITIVE_INFINITY) return ring;
  const next = await freshKey(ring, usage, able === undefined ? now : last, kms);
  const endorsement = able?.signer && (await endorseKey(next, able.signer));
  return withKey(ring, [...ring.keys, { ...next, endorsement }], now);
}

/** Uses with a key that signs now or will, and is in a service: without that they have none. */
export function usesInService({ keys, log }: KeyRing, now: number): readonly (KeyUsage | 'log')[] {
  const isThere = ({ signer }: { signer: RingSigner | undefined }) => signer !== undefined && isKmsSigner(signer);
  const uses = keyUsages.filter((usage) => keys.some((key) => key.usage === usage && endOf(key) > now && isThere(key)));
  return isThere(log) ? [...uses, 'log'] : uses;
}

/** What verifiers are given. */
export const trustOf = ({ keys, log, threshold }: KeyRing): Trust => ({
  keys,
  log: { origin: log.origin, key: log.signer.publicKey },
  threshold,
});
