import { describe, expect, test } from 'bun:test';
import type { Json } from '@labmesh/attest/json/canonical-json';
import fc from 'fast-check';
import { taggedFault } from '../../suites/tagged-value.ts';
import { compareValues } from './compare-values.ts';

const exact = { kind: 'exact', tolerance: 1e-9 } as const;
const float = { kind: 'float', tolerance: 1e-6 } as const;
const set = { kind: 'set', tolerance: 1e-9 } as const;
const big = '12345678901234567890';

const same: [string, Json, Json][] = [
  ['numbers', 1, 1],
  ['zeros', 0, -0],
  ['text', 'a', 'a'],
  ['nothing', null, null],
  ['keys in another order', { a: 1, b: [2] }, { b: [2], a: 1 }],
  ['not a number', { $f: 'nan' }, { $f: 'nan' }],
  ['digits', { $i: big }, { $i: big }],
  ['digits and the double next to them', 12345678901234567000, { $i: big }],
  ['sets in another order', { $set: [1, [2]] }, { $set: [[2], 1] }],
  ['a key called __proto__', JSON.parse('{"__proto__":1}') as Json, JSON.parse('{"__proto__":1}') as Json],
];
const different: [string, Json, Json][] = [
  ['numbers', 1, 1.0000000001],
  ['a number and true', 1, true],
  ['a number and its text', 1, '1'],
  ['nothing and false', null, false],
  ['an empty list and an empty object', [], {}],
  ['a missing key', { a: 1, b: null }, { a: 1 }],
  ['a key more', { a: 1 }, { a: 1, b: null }],
  ['keys of another name', { a: null }, { b: null }],
  ['orders of a list', [1, 2], [2, 1]],
  ['not a number and infinity', { $f: 'nan' }, { $f: 'inf' }],
  ['not a number and zero', { $f: 'nan' }, 0],
  ['digits', { $i: big }, { $i: `${big}1` }],
  ['digits and the double next to them, the other way', { $i: big }, 12345678901234567000],
  ['digits beyond a double and Infinity', { $i: '9'.repeat(400) }, Infinity],
  ['digits beyond a double', { $i: '9'.repeat(400) }, { $i: '8'.repeat(400) }],
  ['a set and a list', { $set: [1] }, [1]],
  ['a form and data that looks like it', { $f: 'nan' }, { $$f: 'nan' }],
  ['text with a lone surrogate in a set', { $set: ['a'] }, { $set: ['\ud800'] }],
  ['an object and an inherited member', { a: 1 }, JSON.parse('{"__proto__":{"a":1}}') as Json],
];

describe('exact', () => {
  test.each(same)('same: %s', (_, a, b) => expect(compareValues(a, b, exact)).toBe(true));
  test.each(different)('different: %s', (name, a, b) => {
    expect(compareValues(a, b, exact)).toBe(false);
    if (!name.includes('the other way')) expect(compareValues(b, a, exact)).toBe(false);
  });
});

test('float: tolerance anywhere, absolute up to 1 and relative beyond; the rest stays exact', () => {
  expect(compareValues([1, { a: 2 }], [1 + 5e-7, { a: 2 - 5e-7 }], float)).toBe(true);
  expect(compareValues(1e9, 1e9 + 500, float)).toBe(true);
  expect(compareValues(0, 5e-7, float)).toBe(true);
  expect(compareValues(1, 1 + 5e-6, float)).toBe(false);
  expect(compareValues(1e9, 1e9 + 5000, float)).toBe(false);
  expect(compareValues({ $f: 'nan' }, 0, float)).toBe(false);
  expect(compareValues(0, { $f: 'nan' }, float)).toBe(false);
  expect(compareValues(1e300, { $f: 'inf' }, float)).toBe(false);
  expect(compareValues(1, true, float)).toBe(false);
});

test('the tolerance is a share of what is expected, so that no large result is near to all', () => {
  const loose = { kind: 'float', tolerance: 1 } as const;
  expect(compareValues(3, 6, loose)).toBe(true);
  for (const got of [6.1, 1e308, -1e308, { $i: '9'.repeat(300) }]) expect(compareValues(3, got, loose)).toBe(false);
});

test('nothing beyond a double is near to anything', () => {
  const loose = { kind: 'float', tolerance: 1 } as const;
  const beyond: Json[] = [Infinity, -Infinity, { $i: '9'.repeat(400) }, { $f: 'inf' }];
  for (const got of beyond) {
    for (const expected of [0, 1, -1e308, 1e308, { $i: '7'.repeat(400) }, { $f: 'nan' }]) {
      for (const how of [exact, float, set, loose]) {
        expect(compareValues(expected, got, how)).toBe(false);
        expect(compareValues([expected], [got], how)).toBe(false);
        expect(compareValues({ $set: [expected] }, { $set: [got] }, how)).toBe(false);
      }
    }
  }
});

test('set: the outermost order does not count, how often does', () => {
  expect(compareValues([1, 2, 2], [2, 1, 2], set)).toBe(true);
  expect(compareValues([1, 2], { $set: [2, 1] }, set)).toBe(true);
  expect(compareValues([1, 2], [1, 2, 2], set)).toBe(false);
  expect(compareValues([1, 1, 2], [1, 2, 2], set)).toBe(false);
  expect(compareValues([[1, 2]], [[2, 1]], set)).toBe(false);
  expect(compareValues([], {}, set)).toBe(false);
  expect(compareValues('ab', 'ab', set)).toBe(true);
});

test('every value is itself by every way of comparing, and a changed one is not', () => {
  const value = fc.jsonValue({ maxDepth: 4 }).filter((one) => taggedFault(one as Json, '') === undefined);
  fc.assert(
    fc.property(value, (one) => {
      const copy = JSON.parse(JSON.stringify(one)) as Json;
      for (const how of [exact, float, set]) {
        expect(compareValues(one as Json, copy, how)).toBe(true);
        expect(compareValues([one as Json], [copy, null], how)).toBe(false);
        expect(compareValues(one as Json, { a: copy }, how)).toBe(false);
      }
    }),
    { numRuns: 300 },
  );
});
