import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { csrPemField, enrollSchema } from './enrolment.ts';
import { loginSessionPattern, oidcCallbackSchema, oidcStartSchema, ticketPattern, userTokenPattern } from './login.ts';
import { createTokenSchema, hostnameGlobField, joinTokenPattern, macField, tokenScopeSchema } from './tokens.ts';

const secret = 'A'.repeat(43);

describe('join tokens on the wire (JT-1, JT-2)', () => {
  test('an empty request is a one-time token for an agent, 30 min', () => {
    expect(createTokenSchema.parse({})).toEqual({
      type: 'one-time',
      kind: 'agent',
      ttlMs: 1_800_000,
      labels: {},
      environment: null,
      cloud: null,
      role: null,
      hostname: null,
      macs: [],
      cidrs: [],
      takeover: false,
      approve: false,
    });
  });

  test('unknown keys are refused when asked for, and dropped from what was stored', () => {
    expect(createTokenSchema.safeParse({ maxuses: 2 }).success).toBe(false);
    expect(tokenScopeSchema.parse({ later: 1 })).not.toHaveProperty('later');
  });

  test('MACs in any usual spelling become one; anything else is none', () => {
    const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(mac, fc.boolean(), fc.boolean(), (bytes, isUpper, hasDashes) => {
        const plain = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
        const text = hasDashes ? plain.replaceAll(':', '-') : plain;
        expect(macField.parse(isUpper ? text.toUpperCase() : text)).toBe(plain);
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (text) => {
        const read = macField.safeParse(text);
        if (read.success) expect(read.data).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
      }),
    );
  });

  test('host name patterns hold letters, digits, dots, dashes and stars', () => {
    for (const good of ['*', 'web-*', '*.rack-1', 'a', 'WEB-1'])
      expect(hostnameGlobField.safeParse(good).success).toBe(true);
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (text) => {
        const read = hostnameGlobField.safeParse(text);
        if (read.success) expect(read.data).toMatch(/^[a-z0-9.*-]+$/);
      }),
    );
  });

  test('one pattern, one kind of secret', () => {
    const texts = [
      `lmj_00000000_${secret}`,
      `lmu_00000000_${secret}`,
      `lms_00000000_${secret}`,
      `lmt_${'0'.repeat(32)}_${secret}`,
    ];
    const patterns = [joinTokenPattern, userTokenPattern, loginSessionPattern, ticketPattern];
    for (const [at, pattern] of patterns.entries())
      expect(texts.map((text) => pattern.test(text))).toEqual(texts.map((_, index) => index === at));
    // I, L, O and U are no letters of Crockford's base32.
    for (const letter of 'iloU') expect(joinTokenPattern.test(`lmj_0000000${letter}_${secret}`)).toBe(false);
    expect(joinTokenPattern.test(`lmj_00000000_${secret}\n`)).toBe(false);
  });
});

describe('enrolment and login on the wire', () => {
  const csrPem = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n';

  test('a request is one PEM block of its kind, at most 8 KiB', () => {
    expect(csrPemField.safeParse(csrPem).success).toBe(true);
    expect(csrPemField.safeParse(csrPem.replaceAll('CERTIFICATE', 'NEW CERTIFICATE')).success).toBe(true);
    for (const bad of ['', 'AAAA', csrPem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'), csrPem.padEnd(8_193)])
      expect(csrPemField.safeParse(bad).success).toBe(false);
  });

  test('anything may be sent; nothing but the schema comes through', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(enrollSchema.safeParse(value).success).toBe(false);
        const read = enrollSchema.safeParse({
          token: 't',
          csrPem,
          hostname: 'a',
          machineId: 'b',
          agentVersion: '1',
          facts: value,
        });
        const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
        if (!isObject) expect(read.success).toBe(false);
      }),
    );
  });

  test('PKCE: the verifier of RFC 7636, appendix B, and its challenge', () => {
    const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
    const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
    expect(oidcStartSchema.safeParse({ redirectUri: 'http://127.0.0.1:1/', challenge }).success).toBe(true);
    expect(oidcCallbackSchema.safeParse({ code: 'c', state: 's', verifier }).success).toBe(true);
    for (const bad of ['short', 'a'.repeat(129), `${verifier}!`])
      expect(oidcCallbackSchema.safeParse({ code: 'c', state: 's', verifier: bad }).success).toBe(false);
  });
});
