/**
 * Digests of what a certificate is about (spec CT3): of the content with 16 random bytes, so that nobody who holds the
 * public certificate can try out short prompts. The salt is in the tenant's bundle only.
 */
import { AttestRefused } from '../attest-refused.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { sha256Hex } from '../sha256.ts';

export const saltBytes = 16;

/** 32 characters of lower-case hex. @throws AttestRefused SALT_BAD */
export function readSalt(hex: string): Uint8Array<ArrayBuffer> {
  if (!/^[0-9a-f]{32}$/.test(hex)) throw new AttestRefused('SALT_BAD', 'a salt has 16 bytes in lower-case hex');
  return Uint8Array.fromHex(hex);
}

/** SHA-256, hex, of canonical {"content": …, "salt": hex}. */
export const saltedDigest = (salt: Uint8Array, content: Json): string =>
  sha256Hex(canonicalBytes({ salt: salt.toHex(), content }));
