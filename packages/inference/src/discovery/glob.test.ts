import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { globMatches, passesFilters } from './glob.ts';

/** The plain definition, exponential at worst: `*` eats nothing or one more character. */
function reference(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern[0] === '*')
    return reference(pattern.slice(1), text) || (text !== '' && reference(pattern, text.slice(1)));
  return text !== '' && pattern[0] === text[0] && reference(pattern.slice(1), text.slice(1));
}

test('agrees with the plain definition', () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 7 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 9 });
  fc.assert(
    fc.property(pattern, text, (p, t) => globMatches(p, t) === reference(p, t)),
    { numRuns: 3_000 },
  );
});

test('rules by example', () => {
  expect(globMatches('*', '')).toBe(true);
  expect(globMatches('', '')).toBe(true);
  expect(globMatches('llama*', 'llama3.2:3b')).toBe(true);
  expect(globMatches('Llama*', 'llama3.2:3b')).toBe(false);
  expect(globMatches('a*a', 'a')).toBe(false);
  expect(globMatches('*q4*7b*', 'qwen-q4-7b')).toBe(true);
  expect(globMatches('*7b*q4*', 'qwen-q4-7b')).toBe(false);
  expect(globMatches('a.c', 'abc')).toBe(false);
});

test('stays linear on patterns that make backtracking explode', () => {
  const started = performance.now();
  expect(globMatches('*a'.repeat(500), `${'a'.repeat(100_000)}b`)).toBe(false);
  expect(globMatches(`${'a*'.repeat(200)}b`, 'a'.repeat(100_000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(200);
});

test('include first, then exclude', () => {
  expect(passesFilters('a', [], [])).toBe(true);
  expect(passesFilters('a-embed', ['a*'], ['*embed'])).toBe(false);
  expect(passesFilters('b', ['a*'], [])).toBe(false);
});
