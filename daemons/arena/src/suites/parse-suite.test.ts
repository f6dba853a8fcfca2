import { describe, expect, test } from 'bun:test';
import type { Json } from '@labmesh/attest/json/canonical-json';
import { holdsProto } from '@labmesh/kit/parse-json';
import { suiteLimits } from '@labmesh/wire/verification/suite';
import fc from 'fast-check';
import { asSuite, hiddenCases, parseSuite, suiteBytes, suiteDigest } from './parse-suite.ts';
import { SuiteRefused } from './suite-refused.ts';
import { formOf, nestsDeeper, taggedFault } from './tagged-value.ts';

const bytesOf = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const sample = {
  id: 'add.1',
  language: 'python',
  entry: 'f',
  cases: [
    { args: [1, 2], expect: 3, visible: true },
    { args: [{ $f: 'nan' }, 2], expect: { $f: 'nan' } },
    { args: [5, 6], expect: { $i: '12345678901234567890' } },
  ],
};

function refusal(value: unknown): SuiteRefused {
  try {
    parseSuite(bytesOf(value));
  } catch (error) {
    if (error instanceof SuiteRefused) return error;
    throw error;
  }
  throw new Error('was taken');
}

const setsDeep = (levels: number): Json => (levels === 0 ? 1 : { $set: [setsDeep(levels - 1)] });

describe('a suite', () => {
  test('is parsed with its defaults', () => {
    const suite = parseSuite(bytesOf(sample));
    expect(suite.compare).toEqual({ kind: 'exact', tolerance: 1e-9 });
    expect(hiddenCases(suite)).toBe(2);
    expect(suiteDigest(suite)).toMatch(/^[0-9a-f]{64}$/);
  });

  test('has one digest whatever order its keys and which defaults are written', () => {
    const turned = Object.fromEntries(Object.entries({ ...sample, compare: { kind: 'exact' } }).toReversed());
    expect(suiteDigest(parseSuite(bytesOf(turned)))).toBe(suiteDigest(parseSuite(bytesOf(sample))));
    const other = { ...sample, cases: [...sample.cases.slice(0, 2), { args: [5, 6], expect: 11 }] };
    expect(suiteDigest(parseSuite(bytesOf(other)))).not.toBe(suiteDigest(parseSuite(bytesOf(sample))));
  });

  const withCase = (one: unknown, more = {}) => ({ ...sample, ...more, cases: [one] });
  const refused: [string, unknown, string, string | undefined][] = [
    ['no JSON', '{', 'SUITE_INVALID', undefined],
    ['a key twice', '{"id":"a","id":"b"}', 'SUITE_INVALID', undefined],
    ['an unknown key', { ...sample, more: 1 }, 'SUITE_INVALID', ''],
    ['no cases', { ...sample, cases: [] }, 'SUITE_INVALID', 'cases'],
    [
      'more cases than may be',
      { ...sample, cases: Array.from({ length: 501 }, () => ({ args: [], expect: 1 })) },
      'SUITE_INVALID',
      'cases',
    ],
    ['an id with capitals', { ...sample, id: 'Add' }, 'SUITE_INVALID', 'id'],
    ['an entry that is code', { ...sample, entry: 'f();import os' }, 'SUITE_INVALID', 'entry'],
    ['a form that is none', withCase({ args: [{ $f: 'x' }], expect: 1 }), 'SUITE_INVALID', 'cases.0.args.0'],
    ['a form with two keys', withCase({ args: [], expect: { $i: '1', a: 1 } }), 'SUITE_INVALID', 'cases.0.expect'],
    ['leading zeros', withCase({ args: [], expect: { $i: '007' } }), 'SUITE_INVALID', 'cases.0.expect'],
    ['a form deep inside', withCase({ args: [[{ a: { $x: 1 } }]], expect: 1 }), 'SUITE_INVALID', 'cases.0.args.0.0'],
    [
      'a member that nothing would be left of',
      withCase({ args: [], expect: JSON.parse('{"a":[{"__proto__":1}]}') }),
      'SUITE_INVALID',
      undefined,
    ],
    [
      'sets in sets without end',
      withCase({ args: [1], expect: setsDeep(5) }),
      'SUITE_INVALID',
      'cases.0.expect.0.0.0.0',
    ],
    [
      'a list for a script',
      withCase({ args: [[1]], expect: '' }, { language: 'bash' }),
      'SUITE_INVALID',
      'cases.0.args',
    ],
    [
      'a NUL for a script',
      withCase({ args: ['\0'], expect: '' }, { language: 'bash' }),
      'SUITE_INVALID',
      'cases.0.args',
    ],
    [
      'a word too long for a command line',
      withCase({ args: ['x'.repeat(60_001)], expect: '' }, { language: 'bash' }),
      'SUITE_INVALID',
      'cases.0.args',
    ],
    ['too large', ' '.repeat(suiteLimits.textBytes + 1), 'SUITE_TOO_LARGE', undefined],
  ];
  test.each(refused)('is refused: %s', (_, value, code, field) => {
    const error = refusal(value);
    expect(error.code as string).toBe(code);
    if (field !== undefined) expect(error.field ?? '').toBe(field);
    expect([400, 413]).toContain(error.status);
  });

  test('is refused without a word of its cases', () => {
    const secret = 'zanzibar-4711';
    for (const one of [{ args: [secret], expect: { [secret]: 1, $f: secret } }, { [secret]: secret }, secret]) {
      const { message, field } = refusal({ ...sample, cases: [one] });
      expect(`${message} ${field ?? ''}`).not.toContain(secret);
    }
  });

  test('any bytes are a suite or a refusal', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(bytesOf)), (bytes) => {
        try {
          parseSuite(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SuiteRefused);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('what is taken reads back from its canonical text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 4 }),
        fc.jsonValue({ maxDepth: 3 }),
        (args, one) => {
          const value = { ...sample, cases: [{ args, expect: one }] };
          // What is refused for its form has cases of its own above.
          if (holdsProto(value) || taggedFault([args, one] as Json, '') !== undefined) return;
          const suite = asSuite(value);
          expect(suiteDigest(parseSuite(suiteBytes(suite)))).toBe(suiteDigest(suite));
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('sets stand in sets, but not so deep that putting them in order costs much', () => {
  expect(taggedFault(setsDeep(4), '')).toBeUndefined();
  expect(taggedFault([setsDeep(4)], '')).toBeUndefined();
  expect(taggedFault({ a: setsDeep(5) }, '')?.why).toBe('stands in more than 4 sets');
});

describe('forms', () => {
  test('are told from data', () => {
    expect(formOf({ a: 1 }).form).toBe('plain');
    expect(formOf({ $$f: 'nan' }).form).toBe('plain');
    expect(formOf({ $f: 'inf' })).toEqual({ form: 'float', name: 'inf' });
    expect(formOf({ $i: '-7' })).toEqual({ form: 'integer', digits: '-7' });
    expect(formOf({ $set: [1] })).toEqual({ form: 'set', items: [1] });
    for (const odd of [{ $: 1 }, { $i: '-0' }, { $i: 7 }, { $set: {} }, { $f: 'nan', b: 1 }]) {
      expect(formOf(odd as never).form).toBe('bad');
    }
  });

  test('nesting is seen before a text is parsed, brackets in strings are not', () => {
    expect(nestsDeeper('['.repeat(64))).toBe(false);
    expect(nestsDeeper('['.repeat(65))).toBe(true);
    expect(nestsDeeper(JSON.stringify('['.repeat(100)))).toBe(false);
    expect(nestsDeeper(JSON.stringify(`\\"${'{'.repeat(100)}`))).toBe(false);
    expect(nestsDeeper('[{},[]]'.repeat(1000))).toBe(false);
    // Linear: with a search from every quote this would not end.
    expect(nestsDeeper(`"${'\\"'.repeat(4_000_000)}`)).toBe(false);
  });
});
