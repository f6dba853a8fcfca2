import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { base32, matchTotp, newTotpSecret, totpCode, totpStep, totpUri } from './totp.ts';

const ascii = (text: string) => new Uint8Array(Buffer.from(text));

describe('one-time codes (ID-3)', () => {
  test('the vectors of RFC 6238, appendix B (SHA-1, 8 digits)', () => {
    const secret = ascii('12345678901234567890');
    const vectors: [number, string][] = [
      [59, '94287082'],
      [1_111_111_109, '07081804'],
      [1_111_111_111, '14050471'],
      [1_234_567_890, '89005924'],
      [2_000_000_000, '69279037'],
      [20_000_000_000, '65353130'],
    ];
    for (const [seconds, code] of vectors) {
      expect(totpCode(secret, totpStep(seconds * 1_000), 8)).toBe(code);
      expect(totpCode(secret, totpStep(seconds * 1_000))).toBe(code.slice(2));
    }
  });

  test('the vectors of RFC 4226, appendix D (6 digits)', () => {
    const codes = '755224 287082 359152 969429 338314 254676 287922 162583 399871 520489'.split(' ');
    for (const [step, code] of codes.entries()) expect(totpCode(ascii('12345678901234567890'), step)).toBe(code);
  });

  test('the vectors of RFC 4648 in base32', () => {
    const vectors = { f: 'MY', fo: 'MZXQ', foo: 'MZXW6', foob: 'MZXW6YQ', fooba: 'MZXW6YTB', foobar: 'MZXW6YTBOI' };
    for (const [plain, coded] of Object.entries(vectors)) expect(base32(ascii(plain))).toBe(coded);
  });

  test('one step early or late fits, two do not, and no step twice', () => {
    const secret = newTotpSecret();
    const now = 1_700_000_000_000;
    const step = totpStep(now);
    for (const near of [-1, 0, 1])
      expect(matchTotp(secret, totpCode(secret, step + near), now, null)).toBe(step + near);
    for (const far of [-2, 2]) expect(matchTotp(secret, totpCode(secret, step + far), now, null)).toBeUndefined();
    expect(matchTotp(secret, totpCode(secret, step), now, step)).toBeUndefined();
    expect(matchTotp(secret, totpCode(secret, step - 1), now, step)).toBeUndefined();
    expect(matchTotp(secret, totpCode(secret, step + 1), now, step)).toBe(step + 1);
  });

  test('anything else is no code, and nothing throws', () => {
    const secret = newTotpSecret();
    const now = 1_700_000_000_000;
    const valid = [-1, 0, 1].map((near) => totpCode(secret, totpStep(now) + near));
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        fc.pre(!valid.includes(text));
        expect(matchTotp(secret, text, now, null)).toBeUndefined();
      }),
    );
    expect(matchTotp(secret, `${valid[1]} `, now, null)).toBeUndefined();
    expect(matchTotp(secret, '', now, null)).toBeUndefined();
  });

  test('the address for an authenticator app', () => {
    const uri = new URL(totpUri(ascii('12345678901234567890'), 'alice@lab'));
    expect(uri.protocol).toBe('otpauth:');
    expect(uri.searchParams.get('secret')).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
    expect(uri.href).toContain('/labmesh:alice%40lab?');
  });
});
