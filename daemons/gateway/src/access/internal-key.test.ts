import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { isInternalToken, openInternalToken } from './internal-key.ts';

test('the secret: of this run, or of a file that is made once and is private', () => {
  expect(openInternalToken(undefined)).not.toBe(openInternalToken(undefined));
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-internal-'));
  const file = join(folder, 'arena.key');
  const made = openInternalToken(file);
  expect(made).toMatch(/^lmi_[\w-]{43}$/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(openInternalToken(file)).toBe(made);
  for (const damaged of ['', 'short', 'two\nlines'.padEnd(40, 'x'), 'lmk_'.padEnd(60, 'x'), 'x'.repeat(300)]) {
    writeFileSync(file, damaged);
    expect(() => openInternalToken(file)).toThrow('one line of 32 to 200');
  }
  rmSync(folder, { recursive: true });
});

test('only the secret itself is the secret, whatever else is sent', () => {
  const token = openInternalToken(undefined);
  expect(isInternalToken(token, token)).toBe(true);
  const near = fc.nat(token.length - 1).map((at) => `${token.slice(0, at)}é${token.slice(at + 1)}`);
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), near, fc.string({ minLength: token.length, maxLength: token.length })),
      (text) => {
        expect(isInternalToken(text, token)).toBe(text === token);
      },
    ),
  );
});
