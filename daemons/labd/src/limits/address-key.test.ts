import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { addressKey } from './address-key.ts';

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['::FFFF:cb00:7109', '203.0.113.9'],
  ['2001:db8:0:1:aaaa:bbbb:cccc:dddd', '2001:db8:0:1::/64'],
  ['2001:DB8:0:1::7', '2001:db8:0:1::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['64:ff9b::203.0.113.9', '64:ff9b:0:0::/64'],
  ['1:2:3:4:5:6:7:8:9', 'unknown'],
  ['1:2:3', 'unknown'],
  ['1::2::3', 'unknown'],
  ['g::1', 'unknown'],
])('RL-1: %p counts as %p', (address, key) => {
  expect(addressKey(address)).toBe(key);
});

test('RL-1: all addresses of one /64 share a key, however they are written', () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  const four = fc.tuple(group, group, group, group);
  fc.assert(
    fc.property(four, four, four, (net, host, other) => {
      fc.pre(net.some((each) => each !== 0));
      const written = (tail: readonly number[]) => [...net, ...tail].map((each) => each.toString(16)).join(':');
      expect(addressKey(written(host))).toBe(addressKey(written(other).toUpperCase()));
    }),
  );
});

test('any text gives a short key', () => {
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => addressKey(text).length <= 64));
});
