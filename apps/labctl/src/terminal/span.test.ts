import { expect, test } from 'bun:test';
import { ago, span } from './span.ts';

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
