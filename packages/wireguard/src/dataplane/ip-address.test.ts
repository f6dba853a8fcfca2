import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { addressBytes, addressKey, plainAddress } from './ip-address.ts';

const hex = (text: string) => Buffer.from(addressBytes(text)).toString('hex');

test('bytes of addresses in all their spellings', () => {
  expect(hex('10.90.0.1')).toBe('0a5a0001');
  expect(hex('::')).toBe('0'.repeat(32));
  expect(hex('::1')).toBe(`${'0'.repeat(31)}1`);
  expect(hex('fd00::')).toBe(`fd${'0'.repeat(30)}`);
  expect(hex('fe80::a:b%eth0')).toBe(`fe80${'0'.repeat(20)}000a000b`);
  expect(hex('1:2:3:4:5:6:7:8')).toBe('00010002000300040005000600070008');
  expect(hex('::ffff:1.2.3.4')).toBe(`${'0'.repeat(20)}ffff01020304`);
  for (const none of ['', 'a', '1.2.3', '1.2.3.256', ':::', '10.0.0.1/8', '[::1]']) {
    expect(() => addressBytes(none)).toThrow(RangeError);
  }
});

test('the key of an address is its own, and one family is not taken for the other', () => {
  expect(addressKey('255.255.255.255')).toBe(0xffffffff);
  expect(addressKey('::1')).toHaveLength(16);
  expect(addressKey('fd00::1')).toBe(addressKey('FD00:0:0::0:1'));
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV6(), (v4, v6) => {
      expect(addressKey(v4)).toBe(new DataView(addressBytes(v4).buffer).getUint32(0));
      expect(Buffer.from(String(addressKey(v6)), 'latin1')).toEqual(Buffer.from(addressBytes(v6)));
    }),
  );
});

test('senders on a socket of both families have plain addresses', () => {
  expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(plainAddress('192.0.2.1')).toBe('192.0.2.1');
  expect(plainAddress('2001:db8::1')).toBe('2001:db8::1');
});
