import { expect, test } from 'bun:test';
import { ago, limitText, span, until } from './span.ts';

test.each([
  [-5, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [3_600_000, '1h'],
  [48 * 3_600_000, '2d'],
])('%d ms are %s', (ms, text) => expect(span(ms)).toBe(text));

test('ago', () => {
  const now = Date.parse('2026-01-01T00:03:00Z');
  expect(ago('2026-01-01T00:00:00Z', now)).toBe('3m ago');
  expect(ago(undefined, now)).toBe('-');
});

test('until', () => {
  const now = Date.parse('2026-01-01T00:03:00Z');
  expect(until('2026-01-01T01:03:00Z', now)).toBe('in 1h');
  expect(until('2026-01-01T00:00:00Z', now)).toBe('3m ago');
  expect(until(undefined, now)).toBe('-');
});

test('a limit is exact', () =>
  expect([200, 1_500, 30_000, 60_000, 90_000, 0].map(limitText)).toEqual([
    '200ms',
    '1500ms',
    '30s',
    '1m',
    '90s',
    '0ms',
  ]));
