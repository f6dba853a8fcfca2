/** "Prove your address first": a value sealed for whoever sent the InitHello (spec tunnel.md 5.6). Hashes are V03. */
import type { Suites } from '../hash/suite.ts';
import { cookieKeyOf, type KeyPrefixes } from '../key-prefixes.ts';
import { macField } from './envelope.ts';
import { blankMessage, cookieReplyFields, initHelloFields } from './layout.ts';

/** As long as the InitHello it answers: nobody's flood grows by being answered (D5). */
export function sealCookieReply(
  { V03 }: Suites,
  responder: KeyPrefixes,
  initHello: Uint8Array,
  value: Uint8Array,
  random: (bytes: number) => Uint8Array,
): Uint8Array {
  const reply = blankMessage('cookieReply', initHello.length);
  const { sid, nonce, sealed } = cookieReplyFields(reply);
  sid.set(initHelloFields(initHello).sidi);
  nonce.set(random(nonce.length));
  sealed.set(V03.ciphers.xseal(cookieKeyOf(responder), nonce, macField(initHello), value));
  reply.set(random(reply.length - 64), 64);
  return reply;
}

/** The 16-byte value, or undefined: this is no answer to that InitHello from that responder. */
export function openCookieReply(
  { V03 }: Suites,
  responder: KeyPrefixes,
  initHello: Uint8Array,
  reply: Uint8Array,
): Uint8Array | undefined {
  const { nonce, sealed } = cookieReplyFields(reply);
  return V03.ciphers.xopen(cookieKeyOf(responder), nonce, macField(initHello), sealed);
}
