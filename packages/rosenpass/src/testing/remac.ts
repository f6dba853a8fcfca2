import { createHash } from 'node:crypto';
import { prefix } from '../key-prefixes.ts';
import type { Party } from './party.ts';

/** Gives the message a right mac again (V03), as anyone can who knows the receiver's public key. */
export function remac(message: Uint8Array, receiver: Party): Uint8Array {
  const hash = createHash('shake256', { outputLength: 32 });
  hash.update(prefix(receiver.key.prefixes, 'V03', 'mac')).update(message.subarray(0, -32));
  message.set(hash.digest().subarray(0, 16), message.length - 32);
  return message;
}
