import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { cleanDetails, cleanEntry, cleanText } from './clean-entry.ts';

const clean = (details: Record<string, unknown>) => JSON.parse(cleanDetails(details)) as Record<string, unknown>;
const s43 = 'A'.repeat(43);

describe('AU-1: secrets become [secret]', () => {
  const values: [string, string][] = [
    [`lmj_0a1b2c3d_${s43}`, 'lmj_0a1b2c3d_[secret]'],
    [`lms_0a1b2c3d_${s43}`, 'lms_0a1b2c3d_[secret]'],
    [`lmk_0123456789ab_${'x'.repeat(38)}`, 'lmk_0123456789ab_[secret]'],
    [`lmn_0123456789_${s43}`, 'lmn_0123456789_[secret]'],
    [`join with lmj_0a1b2c3d_${s43} now`, 'join with lmj_0a1b2c3d_[secret] now'],
    ['lmj_0a1b2c3d', 'lmj_0a1b2c3d'],
    ['-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nrest', '[secret]\nrest'],
    ['-----BEGIN PRIVATE KEY-----\nMHc', '[secret]'],
    [
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
    ],
    ['Authorization: Bearer abcdefghijklmnop', 'Authorization: Bearer [secret]'],
    ['Basic dXNlcjpwYXNz', 'Basic dXNlcjpwYXNz'],
    ['Basic dXNlcjpwYXNzd29yZA==', 'Basic [secret]'],
    ['a basic information', 'a basic information'],
    ['eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.x', '[secret]'],
    ['postgresql://root:hunter2@db:5432/lab', 'postgresql://root:[secret]@db:5432/lab'],
  ];
  test.each(values)('%p', (given, shown) => {
    expect(clean({ note: given })).toEqual({ note: shown });
    expect(cleanText(given, 4_096)).toBe(shown);
    expect(cleanEntry({ ...entry, resource: given }).resource).toBe(shown);
  });

  test('by name, at any depth', () => {
    expect(
      clean({
        password: 'a',
        newPassword: { deep: 1 },
        client_secret: 'x',
        apiKey: 'y',
        totp: 123_456,
        passwordHash: 'argon2',
        list: [{ token: 'z', fine: 1 }],
        key: 'k',
        privateKeyPem: 'p',
        cookie: 'c',
        Authorization: 'd',
      }),
    ).toEqual({
      password: '[secret]',
      newPassword: '[secret]',
      client_secret: '[secret]',
      apiKey: '[secret]',
      totp: '[secret]',
      passwordHash: '[secret]',
      list: [{ token: '[secret]', fine: 1 }],
      key: '[secret]',
      privateKeyPem: '[secret]',
      cookie: '[secret]',
      Authorization: '[secret]',
    });
  });

  test('names about secrets stay', () => {
    const told = {
      keyId: 'k1',
      keyHash: 'ab',
      tokenType: 'one-time',
      tokenPrefix: 'lmj_0a1b2c3d',
      keys: 3,
      hasPassword: true,
      token: null,
      secretKind: 'x',
    };
    expect(clean(told)).toEqual(told);
  });
});

const entry = {
  principal: { kind: 'user', id: 'u1', name: 'ann' },
  phase: 'single',
  action: 'exec.open',
  result: 'ok',
} as const;

test('AU-1: details are at most 16 KiB', () => {
  const fits = cleanDetails({ a: 'x'.repeat(4_000), b: 'y'.repeat(4_000) });
  expect(fits).toContain('xxxx');
  const large = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`name${index}`, 'é'.repeat(1_000)]));
  const told = clean(large);
  expect(told).toMatchObject({ truncated: true, names: Object.keys(large).slice(0, 32) });
  expect(told.bytes as number).toBeGreaterThan(80_000);
  expect(clean({ long: 'x'.repeat(9_000) }).long).toHaveLength(4_096);
});

test('what JSON cannot hold is told in its place', () => {
  const cyclic: Record<string, unknown> = { a: 1 };
  cyclic.self = cyclic;
  expect(JSON.stringify(clean(cyclic))).toContain('…');
  expect(
    clean({
      date: new Date(0),
      bad: new Date(Number.NaN),
      bytes: new Uint8Array(5),
      big: 10n ** 20n,
      nan: Number.NaN,
      fn: () => 1,
      none: undefined,
      error: new TypeError('no'),
      map: new Map([['a', 1]]),
      list: [undefined, () => 1],
    }),
  ).toEqual({
    date: '1970-01-01T00:00:00.000Z',
    bad: null,
    bytes: { bytes: 5 },
    big: '100000000000000000000',
    nan: 'NaN',
    error: 'TypeError: no',
    map: { a: 1 },
    list: [null, null],
  });
  const hostile = {
    get boom(): string {
      throw new RangeError('no');
    },
  };
  expect(clean(hostile)).toEqual({ unreadable: 'RangeError' });
  expect(cleanDetails(JSON.parse('{"__proto__":{"x":1}}'))).toBe('{"__proto__":{"x":1}}');
});

test('fields are bounded and fit for every database', () => {
  const long = 'x'.repeat(10_000);
  const told = cleanEntry({
    principal: { kind: 'user', id: long, name: 'a\0b\ud800' },
    phase: 'end',
    action: long,
    resource: long,
    resourceId: long,
    session: long,
    sourceIp: long,
    requestId: long,
    result: 'error',
    code: long,
    durationMs: 12.7,
  });
  expect(told.principal).toEqual({ kind: 'user', id: `${'x'.repeat(63)}…`, name: 'a\ufffdb\ufffd' });
  expect([told.action.length, told.resource?.length, told.code?.length]).toEqual([128, 512, 64]);
  expect([told.resourceId?.length, told.session?.length, told.sourceIp?.length, told.requestId?.length]).toEqual([
    253, 64, 64, 64,
  ]);
  expect(told.durationMs).toBe(13);
  for (const durationMs of [-1, Number.NaN]) expect(cleanEntry({ ...entry, durationMs }).durationMs).toBeUndefined();
  expect(Number.isSafeInteger(cleanEntry({ ...entry, durationMs: Infinity }).durationMs)).toBe(true);
});

test('anything at all becomes canonical JSON of at most 16 KiB', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string({ unit: 'binary' }),
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true, withSparseArray: true }),
      ),
      (details) => {
        const text = cleanDetails(details);
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16 * 1_024);
        expect(text.isWellFormed()).toBe(true);
        JSON.parse(text);
      },
    ),
    { numRuns: 2_000 },
  );
});
