import { expect, test } from 'bun:test';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import { arenaProblem } from './arena-problem.ts';

const parts = new Set(['gateway', 'arena', 'labd'] as const);

test('a key that is missing or another ends the start with 78 and the way out', () => {
  const refused = new SecretsRefused('keys.json is sealed with key k1', 'k1');
  expect(() => arenaProblem(refused, parts)).toThrow(
    expect.objectContaining({
      message: 'keys.json is sealed with key k1',
      exitCode: 78,
      hint: 'labctl up --only gateway,labd starts without the arena',
    }),
  );
});

test('all else is a note, and answers are served', () => {
  expect(arenaProblem(new Error('its log is locked'), parts)).toBe('answers are not verified: its log is locked');
});
