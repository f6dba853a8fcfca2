/**
 * Secrets that are shown once: `<kind>_<id8>_<secret43>`, where id8 is 5 random bytes in Crockford's base32, lower case,
 * and secret43 is 32 random bytes in base64url. The store keeps the SHA-256 of the whole text, so a look-up by hash
 * finds it and neither the store nor a backup lets anyone in (JT-1, ID-4).
 */
import { createHash, randomBytes } from 'node:crypto';

/** lmj joins, lmu makes a user's first certificate, lms is a session. */
export type SecretKind = 'lmj' | 'lmu' | 'lms';

/** `prefix` is `<kind>_<id8>`: safe to list and to log. `hash` is hex. */
export type MadeSecret = { text: string; prefix: string; hash: string };

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** SHA-256 of a text, 64 hex digits. */
export const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Eight characters of five bits each. */
function crockford(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  return Array.from({ length: 8 }, (_, index) => alphabet[Number((bits >> BigInt(35 - 5 * index)) & 31n)]).join('');
}

/** Makes a secret. `random` is there for tests. */
export function makeSecret(kind: SecretKind, random: (length: number) => Uint8Array = randomBytes): MadeSecret {
  const prefix = `${kind}_${crockford(random(5))}`;
  const text = `${prefix}_${Buffer.from(random(32)).toString('base64url')}`;
  return { text, prefix, hash: sha256Hex(text) };
}

const pattern = /^(lm[jus])_[0-9a-hjkmnp-tv-z]{8}_[A-Za-z0-9_-]{43}$/;
/** `lmj_` and 8 characters: 12. */
const prefixLength = 12;

/** Prefix and hash of a well-formed text of that kind, else undefined. */
export function readSecret(kind: SecretKind, text: string): { prefix: string; hash: string } | undefined {
  if (text.length !== 56 || pattern.exec(text)?.[1] !== kind) return undefined;
  return { prefix: text.slice(0, prefixLength), hash: sha256Hex(text) };
}
