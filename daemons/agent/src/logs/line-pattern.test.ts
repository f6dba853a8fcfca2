import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BadPattern, linePattern } from './line-pattern.ts';

describe('LG-1 --grep', () => {
  test('a text is a text', () => {
    expect(linePattern('a.c')('xa.cx')).toBe(true);
    expect(linePattern('a.c')('abc')).toBe(false);
    expect(linePattern('/')('a/b')).toBe(true);
    expect(linePattern('//')('a//b')).toBe(true);
    expect(linePattern('(')('f(x)')).toBe(true);
  });

  test.each([
    ['a.c', 'xabcx', true],
    ['^a', 'ba', false],
    ['a$', 'ab', false],
    ['^$', '', true],
    ['(foo|bar)+baz', 'foobarbaz', true],
    ['[a-c]{2,3}', 'xab', true],
    ['^[^0-9]+$', 'abc1', false],
    ['\\d{3}', 'ab12', false],
    ['\\berr\\b', 'an err.', true],
    ['\\berr\\b', 'terror', false],
    ['a?b*c+?d', 'cd', true],
    ['[]x]', ']', true],
    ['[a\\]]', ']', true],
    ['\\/var\\/log', '/var/log', true],
    ['(?:a|b)c', 'bc', true],
    ['ü+', 'grüüß', true],
    ['x{2}y', 'xxy', true],
    ['x{,2}', 'x{,2}', true],
  ])('/%s/ on %p: %p', (source, line, wanted) => expect(linePattern(`/${source}/`)(line)).toBe(wanted));

  test.each(['(', ')', 'a)', '[a', '*a', 'a\\', '(a)\\1', '(?=a)', 'a{9999}', 'a{3,1}', '(a{100}){100}'])(
    '/%s/ is refused',
    (source) => expect(() => linePattern(`/${source}/`)).toThrow(BadPattern),
  );

  test('what stands others still takes no time', () => {
    const line = 'a'.repeat(16_000);
    const started = performance.now();
    expect(linePattern('/^(a+)+$/')(`${line}!`)).toBe(false);
    expect(linePattern('/(a|aa)+b/')(line)).toBe(false);
    expect(linePattern('/a*a*a*a*b/')(line)).toBe(false);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test('agrees with the runtime’s own on random small patterns', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', 'c');
    const pattern: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        atom,
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => a + b),
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(${a}|${b})`),
        fc.tuple(tie('node'), fc.constantFrom('*', '+', '?', '{1,2}')).map(([a, q]) => `(${a})${q}`),
        tie('node').map((a) => `^${a}`),
        tie('node').map((a) => `${a}$`),
      ),
    })).node;
    const line = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, line, (source, text) => {
        expect(linePattern(`/${source}/`)(text)).toBe(new RegExp(source).test(text));
      }),
      { numRuns: 3000 },
    );
  });

  test('any text gives a matcher or BadPattern', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), (source, line) => {
        try {
          expect(typeof linePattern(`/${source}/`)(line)).toBe('boolean');
        } catch (error) {
          expect(error).toBeInstanceOf(BadPattern);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
