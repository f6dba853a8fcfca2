/** Node tokens as text (N1): `lmn_`, 10 digits of base 62, `_`, 256 secret bits in base64url. Stored as SHA-256 alone. */
import { randomBase62, type RandomBytes, secureRandom } from '@labmesh/wire/base62';
import { nodeTokenPattern } from '@labmesh/wire/ids';
import { sha256Hex } from '../../login/secret-text.ts';

/** `prefix` is `lmn_` and the id: safe to list and to log. `hash` is hex. */
export type NodeTokenText = { prefix: string; hash: string };

export function makeNodeToken(random: RandomBytes = secureRandom): NodeTokenText & { text: string } {
  const prefix = `lmn_${randomBase62(10, random)}`;
  const text = `${prefix}_${Buffer.from(random(32)).toString('base64url')}`;
  return { text, prefix, hash: sha256Hex(text) };
}

/** Prefix and hash of a well-formed text, else undefined. */
export function readNodeToken(text: string): NodeTokenText | undefined {
  const id = nodeTokenPattern.exec(text)?.[1];
  return id === undefined ? undefined : { prefix: `lmn_${id}`, hash: sha256Hex(text) };
}
