/**
 * mac1 and mac2, the last 32 bytes of a handshake message. mac1 says that the sender knows our public key; mac2, under a
 * cookie, that it receives at the address it sends from.
 */
import { timingSafeEqual } from 'node:crypto';
import { mac } from './key-derivation.ts';

/** `key`: the receiver's `mac1Key`. */
export function writeMac1(message: Uint8Array, key: Uint8Array): void {
  message.set(mac(key, message.subarray(0, -32)), message.length - 32);
}

export function mac1Of(message: Uint8Array): Uint8Array {
  return message.slice(-32, -16);
}

export function hasMac1(message: Uint8Array, key: Uint8Array): boolean {
  return timingSafeEqual(mac(key, message.subarray(0, -32)), message.subarray(-32, -16));
}

/** `cookie`: the 16 bytes that the receiver gave us. */
export function writeMac2(message: Uint8Array, cookie: Uint8Array): void {
  message.set(mac(cookie, message.subarray(0, -16)), message.length - 16);
}

export function hasMac2(message: Uint8Array, cookie: Uint8Array): boolean {
  return timingSafeEqual(mac(cookie, message.subarray(0, -16)), message.subarray(-16));
}
