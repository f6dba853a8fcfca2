/** IP addresses as text, as bytes, and as keys of maps. */
import { isIPv4, isIPv6 } from 'node:net';

/** An address as a map's key: a number for IPv4, the 16 bytes as a string for IPv6. */
export type AddressKey = number | string;

export function keyOfV4(bytes: Uint8Array, at: number): AddressKey {
  const [a, b, c, d] = [bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

export function keyOfV6(bytes: Uint8Array, at: number): AddressKey {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, 16).toString('latin1');
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** Writes `::1.2.3.4` as two groups. */
function withoutDots(text: string): string {
  const dotted = /[\d.]+$/.exec(text)?.[0] ?? '';
  if (!dotted.includes('.')) return text;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
  return `${text.slice(0, -dotted.length)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** 4 or 16 bytes; a zone (`%eth0`) is left out. @throws RangeError when it is no address. */
export function addressBytes(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text)) throw new RangeError('not an IP address');
  const [head = '', tail] = withoutDots(text.split('%')[0] ?? '').split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail ?? '')];
  const groups =
    tail === undefined ? left : [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** @throws RangeError when it is no address. */
export function addressKey(text: string): AddressKey {
  const bytes = addressBytes(text);
  return bytes.length === 4 ? keyOfV4(bytes, 0) : keyOfV6(bytes, 0);
}

const mapped = '::ffff:';

/** A socket of both families names IPv4 senders `::ffff:1.2.3.4`; everywhere else they are `1.2.3.4`. */
export function plainAddress(text: string): string {
  return text.startsWith(mapped) && text.includes('.') ? text.slice(mapped.length) : text;
}
