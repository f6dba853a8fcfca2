import { expect, test } from 'bun:test';
import { BlockList } from 'node:net';
import fc from 'fast-check';
import { clientAuth, serverAuth } from '../der/read-certificate.ts';
import {
  altNames,
  authorityKey,
  caUsage,
  digitalSignature,
  extendedUsage,
  forCa,
  notCa,
  subjectKey,
} from './extensions.ts';
import { type AnyExtension, extension, usage } from '../testing/library.ts';
import { element } from '../der/write-der.ts';

/** The library is the other witness: what it writes is what we write. */
const theirs = (one: AnyExtension) => Buffer.from(one.rawData).toString('hex');
const ours = (one: Buffer) => one.toString('hex');

test('every extension has the bytes that the certificate library gives it', () => {
  expect(ours(forCa(0))).toBe(theirs(extension.ca(0)));
  expect(ours(forCa(2))).toBe(theirs(extension.ca(2)));
  expect(ours(notCa)).toBe(theirs(extension.notCa()));
  expect(ours(digitalSignature)).toBe(theirs(extension.keyUsage(usage.digitalSignature)));
  expect(ours(caUsage)).toBe(theirs(extension.keyUsage(usage.keyCertSign | usage.cRLSign)));
  expect(ours(extendedUsage(clientAuth))).toBe(theirs(extension.extendedUsage([clientAuth])));
  expect(ours(extendedUsage(clientAuth, serverAuth))).toBe(theirs(extension.extendedUsage([clientAuth, serverAuth])));
});

test('key identifiers: the first 20 bytes of the key hash', () => {
  const id = Buffer.alloc(20, 0xab);
  expect(ours(subjectKey('ab'.repeat(32)))).toBe(theirs(extension.raw('2.5.29.14', false, element(0x04, id))));
  const tagged = element(0x30, element(0x80, id));
  expect(ours(authorityKey('ab'.repeat(32)))).toBe(theirs(extension.raw('2.5.29.35', false, tagged)));
});

const uri = 'spiffe://labmesh.internal/labd/r1';
const libraryNames = (ips: readonly string[]) =>
  theirs(extension.names([{ type: 'url', value: uri }, ...ips.map((value) => ({ type: 'ip' as const, value }))]));

test('addresses in every spelling', () => {
  const spelled = ['127.0.0.1', '::', '::1', 'fd00::1', '1::', '2001:DB8::8:0:0:1', '1:2:3:4:5:6:7:8'];
  expect(ours(altNames({ uri, dnsNames: [], ips: spelled }))).toBe(libraryNames(spelled));
  const mapped = altNames({ uri, dnsNames: [], ips: ['::ffff:192.0.2.1'] });
  expect(ours(mapped)).toEndWith('871000000000000000000000ffffc0000201');
  expect(() => altNames({ uri, dnsNames: [], ips: ['fe80::1%eth0'] })).toThrow(RangeError);
});

test('a name that bytes would make another one of is refused', () => {
  for (const name of ['l\u{161}b.example', 'a b', 'a\0b'])
    expect(() => altNames({ uri, dnsNames: [name], ips: [] })).toThrow(RangeError);
});

test('any address gives the bytes it stands for', () => {
  fc.assert(
    fc.property(fc.ipV6(), (ip) => {
      const bytes = ours(altNames({ uri, dnsNames: [], ips: [ip] })).slice(-32);
      const whole = (bytes.match(/.{4}/g) ?? []).join(':');
      const list = new BlockList();
      list.addAddress(whole, 'ipv6');
      expect(list.check(ip, 'ipv6')).toBe(true);
    }),
  );
});
