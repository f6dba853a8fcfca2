import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { lowestFree, parseAddressRange } from './address-range.ts';

const range = (text: string) => {
  const parsed = parseAddressRange(text);
  if (parsed === undefined) throw new TypeError(text);
  return parsed;
};

test('H5: the first is the hub’s, the next free one a node’s, lowest first', () => {
  const wide = range('10.90.0.0/16');
  expect(wide.hub).toBe('10.90.0.1');
  expect(lowestFree(wide, new Set())).toBe('10.90.0.2');
  expect(lowestFree(wide, new Set(['10.90.0.2', '10.90.0.4']))).toBe('10.90.0.3');
  const first = new Set(Array.from({ length: 254 }, (_, n) => `10.90.0.${n + 2}`));
  expect(lowestFree(wide, first)).toBe('10.90.1.0');
});

test('neither network nor broadcast address is given, and a full range says so', () => {
  const small = range('192.168.7.4/30');
  expect(small.hub).toBe('192.168.7.5');
  expect(lowestFree(small, new Set())).toBe('192.168.7.6');
  expect(lowestFree(small, new Set(['192.168.7.6']))).toBeUndefined();
});

test.each(['', '10.90.0.0', '10.90.0.1/16', '10.90.0.0/31', '0.0.0.0/0', '10.0.0.0/7', '256.0.0.0/8', 'fd00::/64'])(
  '%p is refused',
  (text) => expect(parseAddressRange(text)).toBeUndefined(),
);

test('whatever the text is, it is read or refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789./') }), (text) => void parseAddressRange(text)),
  );
});
