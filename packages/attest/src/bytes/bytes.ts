/** Bytes and text. Nothing here compares secrets: what is compared in this package is public. */
import { AttestRefused, type AttestCode } from '../attest-refused.ts';

const encoder = new TextEncoder();
// A byte order mark is a character like others: taken away in silence, two files would read the same.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);

/** @throws AttestRefused with `code` when the bytes are no UTF-8. */
export function textOf(bytes: Uint8Array, code: AttestCode): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new AttestRefused(code, 'not UTF-8');
  }
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
