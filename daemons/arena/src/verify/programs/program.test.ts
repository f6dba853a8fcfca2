import { expect, test } from 'bun:test';
import { asSuite } from '../../suites/parse-suite.ts';
import { makeCandidate } from '../make-candidate.ts';
import { fenced } from '../testing/check-code.ts';
import { programsOf } from './program.ts';

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

test('what is left out is named', () => {
  const uses = 'from answer import f\ndef test_f():\n    assert f(1) == 1';
  const answer = [fenced('python', 'def f(x): return x'), fenced('python', uses)].join('\n');
  const [program] = programsOf(makeCandidate({ messages: [], answer }), suiteOf('python'));
  expect(program).toMatchObject({ blocks: [0, 1], leftOut: [1] });
});
