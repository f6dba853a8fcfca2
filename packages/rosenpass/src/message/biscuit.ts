/**
 * The biscuit: what the responder would have to remember between RespHello and InitConf, sealed and handed to the
 * initiator (spec tunnel.md 5.4, 5.5).
 *
 *     nonce 24 ‖ XAEAD( peer id of the initiator 32 ‖ number 12 ‖ ck 32 ) ‖ tag 16
 *
 * The top bit of the nonce names the key that sealed it.
 */
import type { Suite } from '../hash/suite.ts';
import { type KeyPrefixes, prefix } from '../key-prefixes.ts';

const nonceBytes = 24;
const plainBytes = 76;

/** `number` is below 2^53; the field has 12 bytes. */
export type Biscuit = { peerId: Uint8Array; number: number; ck: Uint8Array };

/** What a biscuit is bound to: the responder's key and both session ids. */
export type BiscuitBinding = { responder: KeyPrefixes; sidi: Uint8Array; sidr: Uint8Array };

function associated(suite: Suite, { responder, sidi, sidr }: BiscuitBinding): Uint8Array {
  return suite.hash(suite.hash(prefix(responder, suite.version, 'biscuitAd'), sidi), sidr);
}

/** 0 or 1: which of two keys sealed this biscuit. */
export function biscuitKeyIndex(sealed: Uint8Array): number {
  return (sealed[0] ?? 0) >> 7;
}

/** Gives 116 bytes. `nonce` has 24 random bytes; its top bit becomes the key's index. */
export function sealBiscuit(
  suite: Suite,
  key: { index: number; secret: Uint8Array },
  nonce: Uint8Array,
  binding: BiscuitBinding,
  biscuit: Biscuit,
): Uint8Array {
  nonce[0] = ((nonce[0] ?? 0) & 0x7f) | (key.index << 7);
  const plain = new Uint8Array(plainBytes);
  plain.set(biscuit.peerId);
  new DataView(plain.buffer).setBigUint64(32, BigInt(biscuit.number), true);
  plain.set(biscuit.ck, 44);
  const sealed = suite.ciphers.xseal(key.secret, nonce, associated(suite, binding), plain);
  plain.fill(0);
  const out = new Uint8Array(nonceBytes + sealed.length);
  out.set(nonce);
  out.set(sealed, nonceBytes);
  return out;
}

/** The biscuit, its fields being buffers of the caller's own; undefined when this key did not seal it for these. */
export function openBiscuit(
  suite: Suite,
  secret: Uint8Array,
  binding: BiscuitBinding,
  sealed: Uint8Array,
): Biscuit | undefined {
  const nonce = sealed.subarray(0, nonceBytes);
  const plain = suite.ciphers.xopen(secret, nonce, associated(suite, binding), sealed.subarray(nonceBytes));
  if (plain?.length !== plainBytes) return undefined;
  const number = new DataView(plain.buffer, plain.byteOffset).getBigUint64(32, true);
  const biscuit = { peerId: plain.slice(0, 32), number: Number(number), ck: plain.slice(44) };
  plain.fill(0);
  return biscuit;
}
