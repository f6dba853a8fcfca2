/** Instants, levels, salted digests. */
import { describe, expect, test } from 'bun:test';
import { refusalOf } from '../testing/refusal.ts';
import { instant, instantOf, instantText } from './instant.ts';
import { isolationLevels, isolationProperty, lowestLevel } from './properties.ts';
import { readSalt, saltedDigest } from './salted-digest.ts';

describe('instants', () => {
  test('are in UTC, and exist', () => {
    expect(instantOf('2026-03-01T12:00:00Z')).toBe(Date.UTC(2026, 2, 1, 12));
    expect(instantOf(instantText(1_772_000_000_123))).toBe(1_772_000_000_123);
    for (const text of [
      '2026-02-30T00:00:00Z',
      '2025-02-29T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-01-01T24:00:00Z',
      '2026-01-01T00:00:60Z',
      '2026-01-01T00:00:00',
      '2026-01-01T00:00:00+00:00',
      '2026-01-01T00:00:00.1Z',
      '2026-01-01 00:00:00Z',
      '2026-01-01',
      '',
    ]) {
      expect([text, instantOf(text), instant.safeParse(text).success]).toEqual([text, Number.NaN, false]);
    }
  });

  test('every hour of two years comes back', () => {
    for (let at = Date.UTC(2024, 0); at < Date.UTC(2026, 0); at += 3_600_000)
      expect(instantOf(instantText(at))).toBe(at);
  });
});

test('levels have an order', () => {
  expect(lowestLevel([])).toBeUndefined();
  expect(lowestLevel([...isolationLevels].toReversed())).toBe('SANDBOX_L0_WASM');
  expect(isolationLevels.map(isolationProperty)).toEqual([0, 1, 2, 3, 4].map((index) => `LABMESH_ISOLATION_L${index}`));
});

test('salted digests', async () => {
  const salt = readSalt('000102030405060708090a0b0c0d0e0f');
  // printf '{"content":"hi","salt":"000102030405060708090a0b0c0d0e0f"}' | sha256sum
  expect(saltedDigest(salt, 'hi')).toBe(
    new Bun.CryptoHasher('sha256').update('{"content":"hi","salt":"000102030405060708090a0b0c0d0e0f"}').digest('hex'),
  );
  expect(saltedDigest(salt, 'hi')).not.toBe(saltedDigest(readSalt('f'.repeat(32)), 'hi'));
  for (const bad of ['', 'ff', 'F'.repeat(32), 'g'.repeat(32), '0'.repeat(33)]) {
    expect(await refusalOf(() => readSalt(bad))).toBe('SALT_BAD');
  }
});
