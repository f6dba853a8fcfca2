/**
 * The cookie reply, 64 bytes: a responder under load asks the sender to show that it receives at its address. Whoever opens
 * a data plane awaits `sodium.ready` before.
 */
import sodium from 'libsodium-wrappers';
import { cookieReplyBytes, messageType, writeIndex } from './message-layout.ts';

export const cookieNonceBytes = 24;

export type CookieReplyInput = {
  /** `cookieKey` of our own public key. */
  key: Uint8Array;
  /** Sender index of the message that is answered. */
  receiverIndex: number;
  /** mac1 of that message. */
  mac1: Uint8Array;
  cookie: Uint8Array;
  nonce: Uint8Array;
};

export function createCookieReply(input: CookieReplyInput): Uint8Array {
  const message = new Uint8Array(cookieReplyBytes);
  message[0] = messageType.cookieReply;
  writeIndex(message, 4, input.receiverIndex);
  message.set(input.nonce, 8);
  message.set(
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(input.cookie, input.mac1, null, input.nonce, input.key),
    32,
  );
  return message;
}

/** `key`: `cookieKey` of the peer; `mac1`: of the message we sent last. Undefined: forged, or for another message. */
export function openCookieReply(key: Uint8Array, mac1: Uint8Array, message: Uint8Array): Uint8Array | undefined {
  try {
    const [nonce, sealed] = [message.subarray(8, 32), message.subarray(32, 64)];
    return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, mac1, nonce, key);
  } catch {
    return undefined; // it throws for a forgery
  }
}
