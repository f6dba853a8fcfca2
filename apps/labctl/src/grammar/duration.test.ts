import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseDuration } from './duration.ts';

test.each([
  ['30s', 30_000],
  ['500ms', 500],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['7d', 604_800_000],
  ['1m500ms', 60_500],
  ['0.5s', 500],
  ['0s', 0],
])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

test.each([
  '',
  '30',
  's',
  '1x',
  '1s1s',
  '1s1m',
  '-1s',
  ' 1s',
  '1 s',
  '1e3s',
  '99999d',
  '9999999999s',
  '1.5m',
  '1.2345s',
])('%j is none', (text) => expect(parseDuration(text)).toBeUndefined());

test('any text is read or not, and units add up', () => {
  fc.assert(fc.property(fc.string({ maxLength: 20 }), (text) => void parseDuration(text)));
  fc.assert(
    fc.property(fc.nat(30), fc.nat(23), fc.nat(59), fc.nat(59), fc.nat(999), (d, h, m, s, ms) => {
      const wanted = (((d * 24 + h) * 60 + m) * 60 + s) * 1_000 + ms;
      expect(parseDuration(`${d}d${h}h${m}m${s}s${ms}ms`)).toBe(wanted);
    }),
  );
});
