import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { normalized, sourceKey } from './source-key.ts';

describe('whom a rate is kept for', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4::/64'],
  ])('%s: %s', (address, key) => expect(sourceKey(address)).toBe(key));

  test('every address of a /64 has one key, and its neighbour another', () => {
    const groups = fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, groups, (a, b) => {
        const text = (head: number[], tail: number[]) =>
          [...head, ...tail].map((group) => group.toString(16)).join(':');
        const [own, other] = [text(a.slice(0, 4), a.slice(4)), text(a.slice(0, 4), b.slice(4))];
        expect(sourceKey(other)).toBe(sourceKey(own));
        const neighbour = [...a.slice(0, 3), (a[3]! % 0xffff) + 1];
        expect(sourceKey(text(neighbour, a.slice(4)))).not.toBe(sourceKey(own));
      }),
    );
  });

  test('any text at all has a key', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof sourceKey(text) === 'string'));
  });
});

test.each([
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8::ffff', '2001:db8::ffff'],
])('the address %s is %s', (address, plain) => {
  expect(normalized({ address, port: 5 })).toEqual({ address: plain, port: 5 });
});
