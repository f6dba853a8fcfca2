import { createHash } from 'node:crypto';

/** `sha256:` and 64 lower hex digits: the name of a public key (K2). */
export function fingerprintOf(publicKey: Uint8Array): string {
  return `sha256:${createHash('sha256').update(publicKey).digest('hex')}`;
}
