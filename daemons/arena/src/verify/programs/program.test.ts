import { expect, test } from 'bun:test';
import { asSuite } from '../../suites/parse-suite.ts';
import { makeCandidate } from '../make-candidate.ts';
import { fenced } from '../testing/check-code.ts';
import { defines, programsOf } from './program.ts';

const suiteOf = (language: string) => asSuite({ id: 's', language, entry: 'f', cases: [{ args: [1], expect: 1 }] });
const codeOf = (language: string, blocks: readonly string[], suite = suiteOf(language)) =>
  programsOf(
    makeCandidate({ messages: [], answer: blocks.map((code) => fenced(language, code)).join('\nthen\n') }),
    suite,
  )[0]?.code ?? '';

test('blocks of tests are no part of what a suite looks at', () => {
  const uses = 'from answer import f\ndef test_f():\n    assert f(1) == 1';
  expect(codeOf('python', ['def f(x): return x', uses])).not.toContain('test_f');
  const calls = "import { test } from 'bun:test';\ntest('f', () => { if (f(1) === 1) done(); });";
  expect(codeOf('javascript', ['const f = (x) => x;', calls])).not.toContain('bun:test');
});

test('a later version of the function beside tests is what counts', () => {
  const wrong = 'def f(x):\n    return None\ndef test_f():\n    assert f(1) is None';
  for (const later of [wrong, 'f = lambda x: None\ndef test_f(): pass', 'f: object = g\ndef test_f(): pass']) {
    expect(codeOf('python', ['def f(x): return x', later])).toContain(later);
  }
  const typed = 'export function f(x: number) { return 0; }\ntest("f", () => {});';
  expect(codeOf('typescript', ['const g = 1;', typed])).toContain(typed);
});

test('an answer that is nothing but blocks of tests is all looked at', () => {
  const [one, two] = ['def f(x): return x\ndef test_a(): pass', 'def test_b(): pass'];
  expect(codeOf('python', [one, two])).toBe(`${one}\n\n${two}\n`);
});

test('what gives a name a meaning, and what does not', () => {
  const does = [
    'def f(x)',
    'async def f():',
    'class f:',
    '  f = 1',
    'const f = 1',
    'function* f()',
    'f=g',
    'f: int = 1',
  ];
  const not = ['f(1) == 1', 'f == g', 'x.f = 1', 'def ff(x)', 'from a import f', 'g(f)', 'f => 1', 'def test_f():'];
  for (const code of does) expect([code, defines(code, 'f')]).toEqual([code, true]);
  for (const code of not) expect([code, defines(code, 'f')]).toEqual([code, false]);
  expect([defines('$f = 1', '$f'), defines('$f = 1', 'f')]).toEqual([true, false]);
});
