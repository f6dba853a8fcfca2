import { describe, expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { checkNewPassword, Passwords } from './passwords.ts';
import { codeOf } from './testing/callers.ts';

describe('passwords (ID-3)', () => {
  test('argon2id with m=65536, t=2, p=1; right and wrong', async () => {
    const passwords = new Passwords();
    const stored = await passwords.hash('correct horse battery');
    expect(stored).toStartWith('$argon2id$v=19$m=65536,t=2,p=1$');
    expect(await passwords.verify(stored, 'correct horse battery')).toBe(true);
    expect(await passwords.verify(stored, 'correct horse batterz')).toBe(false);
  });

  test('composed and decomposed letters are one password', async () => {
    const passwords = new Passwords();
    const stored = await passwords.hash('gr\u00fc\u00dfe aus dem lab');
    expect(await passwords.verify(stored, 'gru\u0308\u00dfe aus dem lab')).toBe(true);
  });

  test('12 to 256 characters, counted as people do', () => {
    for (const bad of ['a'.repeat(11), 'a'.repeat(257), '🔑'.repeat(11)])
      expect(() => checkNewPassword(bad)).toThrow(FleetError);
    for (const good of ['a'.repeat(12), 'a'.repeat(256), '🔑'.repeat(12), '🔑'.repeat(256)]) checkNewPassword(good);
  });

  test('without a stored hash nothing fits, after the same work', async () => {
    const passwords = new Passwords();
    const start = performance.now();
    expect(await passwords.verify(undefined, 'something else here')).toBe(false);
    // 64 MiB are not filled twice in less; skipping the work would take microseconds.
    expect(performance.now() - start).toBeGreaterThan(5);
  });

  test('two at once, a bounded line behind them, then RATE_LIMITED; the line drains', async () => {
    const passwords = new Passwords({ waitingMax: 2 });
    const tries = Array.from({ length: 6 }, () => codeOf(passwords.verify(undefined, 'x')));
    expect(passwords.running).toBe(2);
    const codes = await Promise.all(tries);
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(2);
    expect(codes.filter((code) => code === 'none')).toHaveLength(4);
    expect(passwords.running).toBe(0);
  });
});
