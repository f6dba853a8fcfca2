import { createHash } from 'node:crypto';
import { hashBytes } from './parameters.ts';

/** The parts one after another, through SHAKE256 to 32 bytes. */
export function shake256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('shake256', { outputLength: hashBytes });
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
