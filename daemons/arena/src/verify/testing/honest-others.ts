/** The same in JavaScript, TypeScript and bash. */
import type { HonestTask } from './honest-python.ts';

const block = (tag: string, code: string) => `\`\`\`${tag}\n${code}\n\`\`\`\n`;

export const honestJavascript: readonly HonestTask[] = [
  {
    name: 'a declaration',
    entry: 'add',
    answer: block('js', 'function add(a, b) {\n  return a + b;\n}\nconsole.log(add(1, 2));'),
    cases: [
      [[1, 2], 3],
      [[0.5, 0.25], 0.75],
      [['a', 'b'], 'ab'],
    ],
  },
  {
    name: 'a constant',
    entry: 'twice',
    answer: block('javascript', 'const twice = (x) => [x, x];'),
    cases: [
      [[1], [1, 1]],
      [[null], [null, null]],
      [[{ a: [] }], [{ a: [] }, { a: [] }]],
    ],
  },
  {
    name: 'an export',
    entry: 'sum',
    answer: block('mjs', 'export function sum(xs) { return xs.reduce((a, b) => a + b, 0); }'),
    cases: [
      [[[1, 2]], 3],
      [[[]], 0],
      [[[-1.5]], -1.5],
    ],
  },
  {
    name: 'a default export',
    entry: 'max',
    answer: block('js', 'export default function max(a, b) { return a > b ? a : b; }'),
    cases: [
      [[1, 2], 2],
      [[5, -5], 5],
      [['a', 'b'], 'b'],
    ],
  },
  {
    name: 'module.exports',
    entry: 'words',
    answer: block(
      'node',
      "const { EOL } = require('node:os');\nfunction words(s) { return s.split(/\\s+/).filter(Boolean); }\nmodule.exports = { words, EOL };",
    ),
    cases: [
      [['a b'], ['a', 'b']],
      [[''], []],
      [['  x\ny  '], ['x', 'y']],
    ],
  },
  {
    name: 'async, a map and a set',
    entry: 'group',
    answer: block(
      'js',
      'async function group(xs) {\n  const m = new Map();\n  for (const x of xs) m.set(x % 2, new Set([...(m.get(x % 2) ?? []), x]));\n  await null;\n  return m;\n}',
    ),
    cases: [
      [[[1, 2]], { '0': { $set: [2] }, '1': { $set: [1] } }],
      [[[]], {}],
      [[[3, 1]], { '1': { $set: [1, 3] } }],
    ],
  },
  {
    name: 'big whole numbers',
    entry: 'fact',
    answer: block('js', 'const fact = (n) => (n < 2 ? 1n : BigInt(n) * fact(n - 1));'),
    cases: [
      [[5], 120],
      [[0], 1],
      [[25], { $i: '15511210043330985984000000' }],
    ],
  },
  {
    name: 'undefined is nothing, and left out of an object',
    entry: 'find',
    answer: block('js', 'const find = (xs, x) => (xs.includes(x) ? { found: x, rest: undefined } : undefined);'),
    cases: [
      [[[1], 1], { found: 1 }],
      [[[1], 2], null],
      [[[], 0], null],
    ],
  },
  {
    name: 'tests in a block of their own',
    entry: 'neg',
    answer:
      block('js', 'export const neg = (x) => 0 - x;') +
      block('js', "import { test, expect } from 'bun:test';\ntest('neg', () => expect(neg(1)).toBe(-1));"),
    cases: [
      [[1], -1],
      [[0], 0],
      [[-2.5], 2.5],
    ],
  },
];

export const honestTypescript: readonly HonestTask[] = [
  {
    name: 'types, an interface and a class',
    entry: 'area',
    answer: block(
      'ts',
      'interface Shape { w: number; h: number }\nclass Box implements Shape {\n  constructor(public w: number, public h: number) {}\n  get area(): number { return this.w * this.h; }\n}\nexport function area(s: Shape): number { return new Box(s.w, s.h).area; }',
    ),
    cases: [
      [[{ w: 2, h: 3 }], 6],
      [[{ w: 0, h: 3 }], 0],
      [[{ w: 0.5, h: 0.5 }], 0.25],
    ],
  },
  {
    name: 'a generic, an enum, satisfies',
    entry: 'last',
    answer: block(
      'typescript',
      'enum Side { Left, Right }\nconst names = { side: Side.Right } satisfies Record<string, Side>;\nconst last = <T,>(xs: readonly T[]): T | null => xs.at(-1) ?? (names.side === 1 ? null : null);',
    ),
    cases: [
      [[[1, 2]], 2],
      [[[]], null],
      [[['a']], 'a'],
    ],
  },
  {
    name: 'JavaScript where TypeScript is wanted',
    entry: 'id',
    answer: block('js', 'function id(x) { return x; }'),
    cases: [
      [[1], 1],
      [[{ $f: 'nan' }], { $f: 'nan' }],
      [[{ $$a: 1 }], { $$a: 1 }],
    ],
  },
  {
    name: 'floats within a tolerance',
    entry: 'hyp',
    answer: block('ts', 'export const hyp = (a: number, b: number) => Math.hypot(a, b);'),
    compare: { kind: 'float', tolerance: 1e-9 },
    cases: [
      [[3, 4], 5],
      [[1, 2], 2.2360679775],
      [[0, 0], 0],
    ],
  },
];

export const honestBash: readonly HonestTask[] = [
  {
    name: 'a sum',
    entry: 'sum',
    answer: block('bash', '#!/bin/bash\nset -euo pipefail\necho "$(( $1 + $2 ))"'),
    cases: [
      [[1, 2], 3],
      [[-5, 5], 0],
      [[100, 200], 300],
    ],
  },
  {
    name: 'text with spaces and quotes',
    entry: 'upper',
    answer: block('sh', 'printf \'%s\\n\' "${1^^}"'),
    cases: [
      [['a b'], 'A B'],
      [['it\'s "x" $HOME'], 'IT\'S "X" $HOME'],
      [[''], ''],
    ],
  },
  {
    name: 'lines',
    entry: 'count',
    answer: block('shell', 'for (( i = 1; i <= $1; i++ )); do\n  echo "line $i"\ndone\n>&2 echo done'),
    cases: [
      [[2], 'line 1\nline 2'],
      [[0], ''],
      [[3], 'line 1\nline 2\nline 3'],
    ],
  },
  {
    name: 'JSON, and an exit code that says nothing',
    entry: 'json',
    answer: block('bash', 'printf \'{"args": [%d, "%s"]}\\n\' "$#" "$1"\nexit 3'),
    cases: [
      [['a'], { args: [1, 'a'] }],
      [['b', 'c'], { args: [2, 'b'] }],
      [[true, 1, 2], { args: [3, 'true'] }],
    ],
  },
];
