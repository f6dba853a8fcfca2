import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseBytes, parseDuration } from './units.ts';

test('durations as people write them', () => {
  expect(parseDuration('10s')).toBe(10_000);
  expect(parseDuration('1m30s')).toBe(90_000);
  expect(parseDuration('1.5h')).toBe(5_400_000);
  expect(parseDuration('7d')).toBe(7 * 86_400_000);
  expect(parseDuration('20ms')).toBe(20);
});

test('sizes as people write them', () => {
  expect(parseBytes('256KiB')).toBe(262_144);
  expect(parseBytes('1 MiB')).toBe(1_048_576);
  expect(parseBytes('65541')).toBe(65_541);
  expect(parseBytes('1.5MB')).toBe(1_500_000);
});

test('what has no unit, a sign or a strange one is refused', () => {
  for (const text of ['', '10', '-1s', 's', '10 s', '1w', 'NaN', '1e3s', '10s '])
    expect(parseDuration(text)).toBeUndefined();
  for (const text of ['', '-1', '1TiB', 'KiB', '1kib', '0x10']) expect(parseBytes(text)).toBeUndefined();
  expect(parseDuration('99999999999999999999y')).toBeUndefined();
  expect(parseBytes('99999999999999999999GiB')).toBeUndefined();
});

test('any text gives a safe integer or undefined', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const value of [parseDuration(text), parseBytes(text)]) {
        expect(value === undefined || (Number.isSafeInteger(value) && value >= 0)).toBe(true);
      }
    }),
  );
});
