/** Extensions of the certificates that we issue, DER (RFC 5280, 4.2.1). Critical where it wants them so. */
import { isIPv6 } from 'node:net';
import { tag } from '../der/der-reader.ts';
import { element, objectId, positiveInteger, sequence } from '../der/write-der.ts';

const yes = element(tag.boolean, Buffer.from([0xff]));

function extension(oid: string, isCritical: boolean, value: Uint8Array): Buffer {
  return sequence(objectId(oid), ...(isCritical ? [yes] : []), element(tag.octetString, value));
}

/** Key identifiers are the first 20 bytes of the key hash: any unique value will do (4.2.1.2). */
const keyIdentifier = (keyHash: string) => Buffer.from(keyHash, 'hex').subarray(0, 20);
export const subjectKey = (keyHash: string): Buffer =>
  extension('2.5.29.14', false, element(tag.octetString, keyIdentifier(keyHash)));
export const authorityKey = (keyHash: string): Buffer =>
  extension('2.5.29.35', false, sequence(element(0x80, keyIdentifier(keyHash))));

export const forCa = (pathLength: number): Buffer =>
  extension('2.5.29.19', true, sequence(yes, positiveInteger(pathLength.toString(16))));
/** `cA` is FALSE by default, and DER leaves defaults out. */
export const notCa: Buffer = extension('2.5.29.19', true, sequence());

/** One byte of usage bits behind the count of those at its end that mean nothing. */
const keyUsage = (unused: number, bits: number) =>
  extension('2.5.29.15', true, element(tag.bitString, Buffer.from([unused, bits])));
export const digitalSignature: Buffer = keyUsage(7, 0x80);
/** keyCertSign and cRLSign. */
export const caUsage: Buffer = keyUsage(1, 0x06);

export const extendedUsage = (...oids: string[]): Buffer =>
  extension('2.5.29.37', false, sequence(...oids.map(objectId)));

/** @throws RangeError for what would become another name when it is cut to bytes. */
function ascii(kind: number, text: string): Buffer {
  if (!/^[\x21-\x7e]*$/.test(text)) throw new RangeError('a name that is not plain ASCII');
  return element(kind, Buffer.from(text, 'latin1'));
}

const address4 = (ip: string) => Buffer.from(ip.split('.').map(Number));
/** Groups of an IPv6 text, of which an IPv4 tail makes two. */
const groupsOf = (text: string) =>
  text.split(':').flatMap((group) => {
    const hex = group.includes('.') ? address4(group).toString('hex') : group.padStart(4, '0');
    return hex.match(/.{4}/g) ?? [];
  });

function addressBytes(ip: string): Buffer {
  if (!isIPv6(ip)) return address4(ip);
  const [head = [], tail = []] = ip.split('::').map((part) => (part === '' ? [] : groupsOf(part)));
  const gap = Array.from({ length: 8 - head.length - tail.length }, () => '0000');
  const bytes = Buffer.from([...head, ...gap, ...tail].join(''), 'hex');
  // A scope (`%eth0`) passes for an address and is none here.
  if (bytes.length !== 16) throw new RangeError('not an address');
  return bytes;
}

/** `ips` without brackets. @throws RangeError for one with a scope, and for names that are not plain ASCII. */
export function altNames(names: { uri: string; dnsNames: readonly string[]; ips: readonly string[] }): Buffer {
  const dns = names.dnsNames.map((name) => ascii(0x82, name));
  const ips = names.ips.map((ip) => element(0x87, addressBytes(ip)));
  return extension('2.5.29.17', false, sequence(ascii(0x86, names.uri), ...dns, ...ips));
}

/**
 * Permitted subtrees (4.2.1.10): URIs of the trust domain, the DNS names given. No IP subtree: BoringSSL refuses the
 * whole chain for one ("unsupported name constraint type"), so addresses stay unconstrained.
 */
export function nameConstraints(trustDomain: string, dnsNames: readonly string[]): Buffer {
  const permitted = [sequence(ascii(0x86, trustDomain)), ...dnsNames.map((name) => sequence(ascii(0x82, name)))];
  return extension('2.5.29.30', true, sequence(element(0xa0, ...permitted)));
}
