import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';
import { refusalOf } from '../testing/refusal.ts';
import { canonicalJson } from './canonical-json.ts';
import { parseCanonicalJson, parseJson } from './parse-json.ts';

describe('parsers disagree about these', () => {
  test.each([
    ['a key twice', '{"a":1,"a":2}'],
    ['a key twice, once escaped', String.raw`{"a":1,"\u0061":2}`],
    ['a key twice, deep', '[{"x":{"b":[{"k":1,"j":2,"k":3}]}}]'],
    ['a key twice, after an object', '{"a":{"b":1},"c":[1,{"a":1}],"a":2}'],
    ['a lone surrogate', String.raw`["\ud800"]`],
    ['a lone surrogate in a key', String.raw`{"\udc00":1}`],
    ['a number beyond a double', '[1e400]'],
    ['NaN', '[NaN]'],
    ['a trailing comma', '[1,]'],
    ['a comment', '[1] // one'],
    ['two values', '1 2'],
    ['a byte order mark', '\ufeff{}'],
    ['nothing', ''],
    ['65 levels', '['.repeat(65) + ']'.repeat(65)],
    ['200,000 levels', '['.repeat(200_000) + ']'.repeat(200_000)],
  ])('%s', async (_, text) => expect(await refusalOf(() => parseJson(utf8(text)))).toBe('JSON_BAD'));

  test('bytes that are no UTF-8', async () => {
    for (const hex of ['22ff22', '22c08022', '22eda08022', '22f490808022']) {
      expect(await refusalOf(() => parseJson(Uint8Array.fromHex(hex)))).toBe('JSON_BAD');
    }
  });

  test('larger than the bound', async () => {
    expect(await refusalOf(() => parseJson(utf8('[1,2,3]'), 6))).toBe('TOO_LARGE');
    expect(parseJson(utf8('[1,2,3]'), 7)).toEqual([1, 2, 3]);
  });
});

test('keys that only look alike are two keys', () => {
  const text = String.raw`{"a":"a\": ","b":[{"a":1},{"a":2}], "a\"" : {}, "":{"":0} }`;
  expect(parseJson(utf8(text))).toEqual(JSON.parse(text));
});

test('only the canonical bytes of a value are read as canonical', async () => {
  expect(parseCanonicalJson(utf8('{"a":1,"b":"é"}'))).toEqual({ a: 1, b: 'é' });
  const others = [
    '{"b":1,"a":2}',
    '{ "a":1}',
    '{"a":1}\n',
    '[1.0]',
    '[-0]',
    '[1E2]',
    '["\\u0061"]',
    '["\\/"]',
    '{"a":1,"a":1}',
  ];
  for (const text of [...others, '[9007199254740993]']) {
    expect([text, await refusalOf(() => parseCanonicalJson(utf8(text)))]).toEqual([text, 'JSON_NOT_CANONICAL']);
  }
});

test('anything at all is either read or refused by name', () => {
  const texts = fc.oneof(
    fc.json(),
    fc.string({ unit: fc.constantFrom(...'{}[]",:\\ua0e-+.truefalsn \n') }),
    fc.uint8Array().map((bytes) => bytes),
  );
  fc.assert(
    fc.property(texts, (input) => {
      const bytes = typeof input === 'string' ? utf8(input) : new Uint8Array(input);
      for (const parse of [parseJson, parseCanonicalJson]) {
        try {
          expect(typeof canonicalJson(parse(bytes))).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(AttestRefused);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test('the search for keys twice agrees with a slow one', async () => {
  // Objects written with their keys as they come, sometimes one twice.
  const key = fc.constantFrom('a', 'b', '"', '\\', 'é', ':', '{');
  const { value } = fc.letrec<{ value: [text: string, twice: boolean] }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('1', 'null', '"x"', '"}"', '"\\""').map((text): [string, boolean] => [text, false]),
      fc
        .array(fc.tuple(key, tie('value')), { maxLength: 3 })
        .map((members): [string, boolean] => [
          `{${members.map(([name, [text]]) => `${JSON.stringify(name)} : ${text}`).join(',')}}`,
          new Set(members.map(([name]) => name)).size !== members.length || members.some(([, [, twice]]) => twice),
        ]),
      fc
        .array(tie('value'), { maxLength: 3 })
        .map((items): [string, boolean] => [
          `[${items.map(([text]) => text).join(', ')}]`,
          items.some(([, twice]) => twice),
        ]),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(value, async ([text, twice]) => {
      expect(await refusalOf(() => parseJson(utf8(text)))).toBe(twice ? 'JSON_BAD' : undefined);
    }),
    { numRuns: 1000 },
  );
});
