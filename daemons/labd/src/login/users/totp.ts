/** Time-based one-time codes, RFC 6238 with SHA-1, 30 s, 6 digits: what every authenticator app takes (ID-3). */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export const totpStepMs = 30_000;
const secretBytes = 20;

/** The time step that `nowMs` (Unix ms) lies in. */
export const totpStep = (nowMs: number): number => Math.floor(nowMs / totpStepMs);

export const newTotpSecret = (): Uint8Array => new Uint8Array(randomBytes(secretBytes));

/** RFC 4226, 5.3: dynamic truncation of HMAC-SHA-1(secret, step). */
export function totpCode(secret: Uint8Array, step: number, digits = 6): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const at = (mac.at(-1) ?? 0) & 0x0f;
  const number = mac.readUInt32BE(at) & 0x7fff_ffff;
  return String(number % 10 ** digits).padStart(digits, '0');
}

/**
 * The step whose code this is: now, one before or one after, and above `usedStep`, the last one taken (no reuse).
 * Undefined when none fits; all three are compared, whatever the result.
 */
export function matchTotp(
  secret: Uint8Array,
  code: string,
  nowMs: number,
  usedStep: number | null,
): number | undefined {
  const given = Buffer.from(code.padEnd(6).slice(0, 6));
  const now = totpStep(nowMs);
  let found: number | undefined;
  for (const step of [now - 1, now, now + 1]) {
    const same = timingSafeEqual(Buffer.from(totpCode(secret, step)), given);
    if (same && code.length === 6 && (usedStep === null || step > usedStep)) found = step;
  }
  return found;
}

const base32Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648 base32 without padding, as authenticator apps read it. */
export function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) text += base32Alphabet[(held >>> (bits -= 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + base32Alphabet[(held << (5 - bits)) & 31] : text;
}

/** The address behind the QR code. A secret: shown once, never logged. */
export function totpUri(secret: Uint8Array, user: string, issuer = 'labmesh'): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(user)}`;
  return `otpauth://totp/${label}?secret=${base32(secret)}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=6&period=30`;
}
