import { sha256 as portable } from '@noble/hashes/sha2.js';

/** SHA-256, 32 bytes. Synchronous everywhere: in this runtime its own, in a browser the portable one. */
export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const hash = new Uint8Array(32);
  if (typeof Bun === 'undefined') hash.set(portable(bytes));
  else Bun.SHA256.hash(bytes, hash);
  return hash;
}

export const sha256Hex = (bytes: Uint8Array): string => sha256(bytes).toHex();
