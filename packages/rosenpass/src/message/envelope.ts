/** mac and cookie: the last 32 bytes of every message but a cookie reply (spec tunnel.md 5.4, 5.6). */
import { timingSafeEqual } from 'node:crypto';
import type { ProtocolVersion, Suite, Suites } from '../hash/suite.ts';
import { type KeyPrefixes, prefix } from '../key-prefixes.ts';

const cookieBytes = 16;

/** The mac field, as a view. */
export const macField = (message: Uint8Array) => message.subarray(-32, -16);
/** What a mac covers, as a view. */
const beforeMac = (message: Uint8Array) => message.subarray(0, -32);
/** All but the cookie: the same when the message is sent again with another cookie. */
export const beforeCookie = (message: Uint8Array) => message.subarray(0, -16);

function macOf(suite: Suite, receiver: KeyPrefixes, message: Uint8Array): Uint8Array {
  return suite.hash(prefix(receiver, suite.version, 'mac'), beforeMac(message)).subarray(0, 16);
}

/** Writes the mac for the receiver with this public key. */
export function writeMac(suite: Suite, receiver: KeyPrefixes, message: Uint8Array): void {
  macField(message).set(macOf(suite, receiver, message));
}

/** Writes the cookie that proves to hold `value` (16 bytes), or zeros. V03 whatever the message uses. */
export function writeCookie({ V03 }: Suites, value: Uint8Array | undefined, message: Uint8Array): void {
  const field = message.subarray(-16);
  if (value === undefined) field.fill(0);
  else field.set(cookieOf(V03, value, message));
}

function cookieOf(suite: Suite, value: Uint8Array, message: Uint8Array): Uint8Array {
  return suite.hash(suite.hash(suite.labels.cookie, value), beforeCookie(message)).subarray(0, cookieBytes);
}

/** Whether the message's cookie was made with this value. */
export function cookieFits({ V03 }: Suites, value: Uint8Array, message: Uint8Array): boolean {
  return timingSafeEqual(cookieOf(V03, value, message), message.subarray(-16));
}

/**
 * Which of the receiver's keys this message is for, and under which version: V03 is tried first (X6). Undefined: none.
 */
export function fittingMac<Key extends { prefixes: KeyPrefixes }>(
  suites: Suites,
  receivers: Iterable<Key>,
  message: Uint8Array,
): { key: Key; version: ProtocolVersion } | undefined {
  const found = macField(message);
  for (const key of receivers) {
    for (const version of ['V03', 'V02'] as const) {
      if (timingSafeEqual(macOf(suites[version], key.prefixes, message), found)) return { key, version };
    }
  }
  return undefined;
}
