import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { refusalOf } from '../testing/refusal.ts';
import { canonicalBytes, canonicalJson } from './canonical-json.ts';

const double = (hex: string) => new DataView(Uint8Array.fromHex(hex).buffer).getFloat64(0);

describe('RFC 8785', () => {
  test('section 3.2.2: numbers, strings, literals', () => {
    const input = String.raw`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`;
    const numbers = '[333333333.3333333,1e+30,4.5,0.002,1e-27]';
    const string = '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"';
    const expected = `{"literals":[null,true,false],"numbers":${numbers},"string":${string}}`;
    expect(canonicalJson(JSON.parse(input))).toBe(expected);
  });

  test('section 3.2.3: keys in the order of their UTF-16 units, not of their code points', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33'];
    const written = JSON.parse(canonicalJson(keys.map((key) => ({ [key]: 1 })))) as object[];
    expect(written).toHaveLength(7);
    const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])));
    expect(text).toBe(`{${sorted.map((key) => `${JSON.stringify(key)}:0`).join(',')}}`);
  });

  test.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('appendix B: %s → %s', (hex, text) => expect(canonicalJson(double(hex))).toBe(text));

  test.each(['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000'])(
    'appendix B: %s is no number',
    async (hex) => {
      expect(await refusalOf(() => canonicalJson([double(hex)]))).toBe('JSON_BAD');
    },
  );
});

describe('what JSON cannot hold', () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const refused: [string, unknown][] = [
    ['a lone surrogate', ['\ud800']],
    ['a lone surrogate in a key', { '\udead': 1 }],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['undefined', undefined],
    ['undefined in a list', [undefined]],
    ['a hole', Array(1)],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['bytes', new Uint8Array(1)],
    ['a symbol', Symbol('s')],
    ['a circle', cyclic],
  ];
  test.each(refused)('%s', async (_, value) => expect(await refusalOf(() => canonicalJson(value))).toBe('JSON_BAD'));

  test('members that are undefined are left out', () => expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}'));

  test('64 levels and no more', async () => {
    const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;
    expect(canonicalJson(nested(64))).toHaveLength(128);
    expect(await refusalOf(() => canonicalJson(nested(65)))).toBe('JSON_BAD');
  });

  test('a key named __proto__ is a key', () => {
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":{"x":2}}'))).toBe('{"__proto__":{"x":2},"b":1}');
  });
});

test('what is written reads back as it was, whatever order it had', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6, noUnicodeString: false }), (value) => {
      const text = canonicalJson(value);
      const again = JSON.parse(text) as unknown;
      expect(canonicalJson(again)).toBe(text);
      // JSON has one zero.
      expect(again).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 500 },
  );
});

test('bytes are UTF-8', () => expect(canonicalBytes({ a: '€' }).toHex()).toBe('7b2261223a22e282ac227d'));
