/** Base64 in which one byte sequence has one text (RFC 4648 section 3.5): stray bits and missing padding are refused. */
import { AttestRefused } from '../attest-refused.ts';

export const toBase64 = (bytes: Uint8Array): string => bytes.toBase64();

/** Standard alphabet, padded, nothing else. @throws AttestRefused BASE64_BAD */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' });
    // The decoder passes over white space.
    if (bytes.toBase64() === text) return bytes;
  } catch {
    // Told below.
  }
  throw new AttestRefused('BASE64_BAD', 'not base64 in its one form');
}

/** Standard or URL-safe alphabet, with padding or without, as DSSE asks of verifiers. @throws AttestRefused BASE64_BAD */
export function fromAnyBase64(text: string): Uint8Array<ArrayBuffer> {
  if (/[+/]/.test(text) && /[-_]/.test(text)) throw new AttestRefused('BASE64_BAD', 'two base64 alphabets in one text');
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return fromBase64(standard.endsWith('=') ? standard : standard.padEnd(Math.ceil(standard.length / 4) * 4, '='));
}
