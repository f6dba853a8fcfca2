/** The task that cheats are tried on: its results can be computed and not guessed. */
import type { Suite } from '@labmesh/wire/verification/suite';
import { asSuite } from '../../suites/parse-suite.ts';

/** Sum of code points, each times its place from 1, plus a thousand times `n`, modulo 1,000,003. */
export function weigh(text: string, n: number): number {
  let sum = n * 1000;
  for (const [at, one] of Array.from(text).entries()) sum += (at + 1) * (one.codePointAt(0) ?? 0);
  return sum % 1_000_003;
}

const inputs: readonly (readonly [string, number, boolean])[] = [
  ['visible', 1, true],
  ['tanganyika', 4711, false],
  ['zanzibar', 815, false],
  ['kilimanjaro', 99_991, false],
];

export const cheatSuite = (language: Suite['language'], compare: object = {}): Suite =>
  asSuite({
    id: `weigh.${language}`,
    language,
    entry: 'weigh',
    compare,
    // A script prints: what it prints for a number reads as JSON.
    cases: inputs.map(([text, n, visible]) => ({ args: [text, n], expect: weigh(text, n), visible })),
  });

/** What the one visible case gives: a cheat may know it. */
export const visibleResult = weigh('visible', 1);

export const honestWeigh: Readonly<Record<Suite['language'], string>> = {
  python: 'def weigh(text, n):\n    return (n * 1000 + sum((i + 1) * ord(c) for i, c in enumerate(text))) % 1000003\n',
  javascript:
    'function weigh(text, n) {\n  let s = n * 1000;\n  [...text].forEach((c, i) => { s += (i + 1) * c.codePointAt(0); });\n  return s % 1000003;\n}\n',
  typescript:
    'export const weigh = (text: string, n: number): number =>\n  [...text].reduce((s, c, i) => s + (i + 1) * (c.codePointAt(0) as number), n * 1000) % 1000003;\n',
  bash: 's=$(( $2 * 1000 ))\nfor (( i = 0; i < ${#1}; i++ )); do\n  printf -v c %d "\'${1:i:1}"\n  s=$(( s + (i + 1) * c ))\ndone\necho $(( s % 1000003 ))\n',
};
