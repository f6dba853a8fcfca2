import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { mayRebind } from './may-rebind.ts';

/** Ways of giving `f`, or what `f` uses, another meaning. */
const python = [
  'def f(x)',
  'async def f():',
  'class f:',
  '  f = 1',
  'f=g',
  'f: int = 1',
  'f += 1',
  'if (f := g): pass',
  'print(1); f = g',
  'f, h = g, g',
  'h, f = g, g',
  '(h, [f, k]) = x',
  '(h,\n f) = x',
  '(h # one\n , f) = x',
  'h, *f = x',
  'for f in fs: pass',
  'for h, f in fs: pass',
  'import g as f',
  'from g import h as f',
  'with g() as f: pass',
  'del f',
  'def test_f():\n    global f',
  'd\\\nef f(): pass'.replace('d\\\nef', 'def \\\n'),
  'def ｆ(x): return 0',
  'globals()["f"] = g',
  'g = globals',
  'vars()["f"] = g',
  'exec("d" + "ef f(): pass")',
  'setattr(__import__("answer"), "f", g)',
  'import sys; sys.modules[__name__].__dict__.update(f=g)',
  'from sys import modules',
  'import __main__',
  'f.__code__ = g.__code__',
  'answer.f = g',
  'sys._getframe().f_globals["f"] = g',
  'import math\nmath.floor = round',
  'import builtins',
  'import gc',
  'import inspect',
  'json.loads["x"] = 1',
];
const pythonNot = [
  'assert f(1) == 1',
  'f == g',
  'def ff(x)',
  'from answer import f',
  'from answer import f, g',
  'g(f)',
  'def test_f():',
  'for case, want in cases:\n    assert f(case) == want',
  '@pytest.mark.parametrize("n,want", [(1, 2), (2, 3)])\ndef test_f(n, want):\n    assert f(n) == want',
  'class TestF(unittest.TestCase):\n    def setUp(self):\n        self.given = f\n    def test_it(self):\n        self.assertEqual(f(2), 4)\n\nif __name__ == "__main__":\n    unittest.main()',
  'pattern = re.compile("x")',
  'with pytest.raises(ValueError):\n    f(-1)',
  'values = [f(x) for x in range(3)]',
  'assert f(1) >= 1 and f(2) != 3',
];
const javascript = [
  'function f(x) {}',
  'async function* f() {}',
  'const f = 1',
  'let f = 1',
  'class f {}',
  'f ??= g',
  'f ||= g',
  '[h, f] = x',
  '({ a: f } = x)',
  'const { a: { f } } = x',
  'const { f = g } = x',
  'import { g as f } from "x"',
  'export { g as f }',
  'for (f of fs) {}',
  'for (const f in fs) {}',
  'function/**/f(){}',
  'function /* a/b */ f(){}',
  '"/*"; function /* /* */ f(){}',
  'f /**/ = g',
  'function \\u0066(x) {}',
  'function \\u{66}(x) {}',
  'f++',
  'globalThis["f"] = g',
  'eval("f" + " = g")',
  'new Function("f = g")()',
  'module.exports = { f: g }',
  'exports.f = g',
  'Object.defineProperty(x, "f", {})',
  'Math.max = Math.min',
  'Array.prototype.map = g',
  '[]["constructor"]["constructor"]("f = g")()',
];
const javascriptNot = [
  'import { f } from "./answer"',
  "const { f } = require('./answer')",
  "const { f } = await import('./answer.js')",
  "test('f adds', () => { expect(f(1)).toBe(1); });",
  "describe('what f gives', () => { it('works with numbers', () => { for (const [a, b] of cases) expect(f(a)).toEqual(b); }); });",
  'const result = f(1);',
  'g(f, (x) => x === f(1))',
  'if (f(1) !== 1) throw new Error("f is wrong");',
];

describe.each([
  ['python', python, pythonNot],
  ['bun', javascript, javascriptNot],
] as const)('%s', (runtime, does, not) => {
  test.each([...does])('may: %s', (code) => expect(mayRebind(runtime, code, 'f')).toBe(true));
  test.each([...not])('does not: %s', (code) => expect(mayRebind(runtime, code, 'f')).toBe(false));
});

test('what the function uses counts as the function does', () => {
  const solution = 'MODULUS = 7\ndef helper(x):\n    return x\ndef f(x):\n    return helper(x) % MODULUS';
  const plain = 'import unittest\nclass TestF(unittest.TestCase):\n    def test(self):\n        helper_result = f(1)';
  expect(mayRebind('python', plain, 'f', solution)).toBe(false);
  for (const line of ['def helper(x): return 0', 'MODULUS = 8', 'from operator import neg as helper']) {
    expect([line, mayRebind('python', `${plain}\n${line}`, 'f', solution)]).toEqual([line, true]);
  }
  const script = 'const table = [1];\nfunction helper(x) { return table[x]; }\nconst f = (x) => helper(x);';
  expect(mayRebind('bun', 'test("f", () => expect(f(0)).toBe(1));', 'f', script)).toBe(false);
  expect(mayRebind('bun', 'helper = () => 2; test("f", () => {});', 'f', script)).toBe(true);
});

test('names with a dollar are names, and with very many names nothing is left out', () => {
  expect([mayRebind('bun', '$f = 1', '$f'), mayRebind('bun', 'let $f = 1', 'f')]).toEqual([true, false]);
  const many = Array.from({ length: 300 }, (_, at) => `def g${at}(): pass`).join('\n');
  expect(mayRebind('python', 'pass', 'f', many)).toBe(true);
});

test('whatever a block is, it is read to its end, and the same way twice', () => {
  const word = fc.constantFrom(
    'f',
    'for ',
    'def ',
    '(',
    '[',
    '{',
    ',',
    ' = ',
    '\n',
    'as ',
    '/*',
    '*/',
    '#',
    ':',
    '.',
    'in ',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 400 }), fc.constantFrom('python', 'bun'), (words, runtime) => {
      const block = words.join('');
      expect(mayRebind(runtime, block, 'f')).toBe(mayRebind(runtime, block, 'f'));
    }),
    { numRuns: 200 },
  );
  // The largest answer there is, made of what each rule begins with: linear, or this would not end.
  // What a search would split in too many ways is neither slow nor overlooked.
  const blanks = `f${`,${' '.repeat(20)}`.repeat(12)}!`;
  expect(mayRebind('python', `${blanks}\nf = g`, 'f')).toBe(true);
  for (const piece of [blanks, 'for f ', '[f ', '(f,\n', 'def ', ';f,', 'f:', 'f.f[f]', 'as (', '\\u{0066}', 'x.f']) {
    mayRebind('python', piece.repeat(100_000 / piece.length), 'f');
    mayRebind('bun', piece.repeat(100_000 / piece.length), 'f');
  }
});
