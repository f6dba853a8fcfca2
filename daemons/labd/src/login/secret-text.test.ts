import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { makeSecret, readSecret, sha256Hex } from './secret-text.ts';

describe('secrets shown once (JT-1, ID-4)', () => {
  test('the vector of the spec: a token is stored as the SHA-256 of its whole text', () => {
    const text = `lmj_00000000_${Buffer.alloc(32, 0x44).toString('base64url')}`;
    const hash = '449488f7a6218dc5ad5dee383bd7a7cef4750e3a396986a7aa3638328aeacb07';
    expect(readSecret('lmj', text)).toEqual({ prefix: 'lmj_00000000', hash });
    const zeros = (length: number) => (length === 5 ? Buffer.alloc(5) : Buffer.alloc(length, 0x44));
    expect(makeSecret('lmj', zeros)).toEqual({ text, prefix: 'lmj_00000000', hash });
  });

  test('the id is five bytes in base32, highest bits first', () => {
    const random = (length: number) => Buffer.alloc(length, 0xff).fill(0, 0, 1);
    expect(makeSecret('lms', random).prefix).toBe('lms_03zzzzzz');
  });

  test('what is made is read, as its own kind only', () => {
    for (const kind of ['lmj', 'lmu', 'lms'] as const) {
      const made = makeSecret(kind);
      expect(readSecret(kind, made.text)).toEqual({ prefix: made.prefix, hash: made.hash });
      for (const other of ['lmj', 'lmu', 'lms'] as const)
        if (other !== kind) expect(readSecret(other, made.text)).toBeUndefined();
    }
  });

  test('10,000 secrets differ in id and text', () => {
    const made = Array.from({ length: 10_000 }, () => makeSecret('lmj'));
    expect(new Set(made.map(({ text }) => text)).size).toBe(10_000);
    expect(new Set(made.map(({ prefix }) => prefix)).size).toBeGreaterThan(9_990);
  });

  test('any other text is none, and reading never throws', () => {
    const near = makeSecret('lmj').text;
    fc.assert(
      fc.property(
        fc.string({ maxLength: 80 }),
        fc.nat(55),
        fc.string({ minLength: 1, maxLength: 1 }),
        (text, at, letter) => {
          expect(readSecret('lmj', text)).toBeUndefined();
          const changed = near.slice(0, at) + letter + near.slice(at + 1);
          const read = readSecret('lmj', changed);
          if (read !== undefined) expect(read.hash).toBe(sha256Hex(changed));
        },
      ),
    );
    expect(readSecret('lmj', near.toUpperCase())).toBeUndefined();
    expect(readSecret('lmj', `${near}\n`)).toBeUndefined();
  });
});
