import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { CommandError } from '../command-error.ts';
import { parseInstant } from './instant.ts';

const now = Date.parse('2026-01-01T12:00:00.000Z');
const read = (text: string, spans: 'ago' | 'ahead' = 'ago') => parseInstant(text, { flag: '--since', spans, now });

describe('moments', () => {
  test.each([
    ['1h', '2026-01-01T11:00:00.000Z'],
    ['1d12h', '2025-12-31T00:00:00.000Z'],
    ['2025-06-01', '2025-06-01T00:00:00.000Z'],
    ['2025-06-01T10:00Z', '2025-06-01T10:00:00.000Z'],
    ['2025-06-01T10:00:00+02:00', '2025-06-01T08:00:00.000Z'],
    ['2025-06-01T10:00:00.123456Z', '2025-06-01T10:00:00.123Z'],
  ])('%s', (text, wanted) => expect(read(text)).toBe(wanted));

  test('a span ahead', () => expect(read('8h', 'ahead')).toBe('2026-01-01T20:00:00.000Z'));

  test.each(['', 'yesterday', '2025-13-01', '2025-06-01T10:00', '10', '1h ago', '+1h', '2025-06-31T25:00:00Z'])(
    'refused: %j',
    (text) => {
      expect(() => read(text)).toThrow('--since: found');
    },
  );

  test('any text is read or refused as usage', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (text, ago) => {
        try {
          expect(new Date(read(text, ago ? 'ago' : 'ahead')).toISOString()).toBeString();
        } catch (error) {
          expect(error).toBeInstanceOf(CommandError);
          expect((error as CommandError).exitCode).toBe(2);
        }
      }),
    );
  });

  test('what it gives is read back as the same moment', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (at) => {
        const text = new Date(at).toISOString();
        expect(read(text)).toBe(text);
      }),
    );
  });
});
