import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { canonicalJson } from './canonical-json.ts';

test('AU-2: the example of RFC 8785 section 3.2.2', () => {
  const value = {
    // The RFC has 333333333.33333329, which is the same number.
    numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
    literals: [null, true, false],
  };
  expect(canonicalJson(value)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test('AU-2: keys are ordered by UTF-16 units (RFC 8785 section 3.2.3)', () => {
  const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 };
  const keys = Object.keys(JSON.parse(canonicalJson(value)) as object);
  expect(keys.filter((key) => key !== '1')).toEqual(['\r', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33']);
  expect(canonicalJson(value).indexOf('"1"')).toBeGreaterThan(canonicalJson(value).indexOf('\\r'));
});

test('undefined members are left out, -0 is 0, __proto__ is a key like others', () => {
  expect(canonicalJson({ b: undefined, a: -0 })).toBe('{"a":0}');
  expect(canonicalJson(JSON.parse('{"__proto__":1,"a":2}'))).toBe('{"__proto__":1,"a":2}');
});

test('what JSON cannot hold is refused', () => {
  for (const value of [Number.NaN, Infinity, 1n, () => 1, Symbol('x'), undefined]) {
    expect(() => canonicalJson(value)).toThrow(TypeError);
    expect(() => canonicalJson([value])).toThrow(TypeError);
  }
});

test('the text is the value again, whatever the order of its keys', () => {
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, item]) => [key, reversed(item)]),
    );
  };
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
      expect(canonicalJson(reversed(value))).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 1_000 },
  );
});
