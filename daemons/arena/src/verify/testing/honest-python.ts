/** Tasks with answers as good models write them: all are to pass (verification AC3). */
import type { Json } from '@labmesh/attest/json/canonical-json';

export type HonestTask = {
  name: string;
  entry: string;
  /** The whole answer. */
  answer: string;
  /** Arguments and result; the first may be shown. */
  cases: readonly (readonly [args: Json[], expect: Json])[];
  compare?: { kind: 'exact' | 'float' | 'set'; tolerance?: number };
};

const python = (code: string, around = '') => `${around}\n\`\`\`python\n${code}\n\`\`\`\n`;

export const honestPython: readonly HonestTask[] = [
  {
    name: 'factorial beyond a double',
    entry: 'factorial',
    answer: python('def factorial(n):\n    return 1 if n < 2 else n * factorial(n - 1)'),
    cases: [
      [[5], 120],
      [[0], 1],
      [[25], { $i: '15511210043330985984000000' }],
      [[22], 1124000727777607680000],
    ],
  },
  {
    name: 'a prose answer with an example of use',
    entry: 'is_prime',
    answer: `Here is a function.\n${python('def is_prime(n):\n    if n < 2:\n        return False\n    i = 2\n    while i * i <= n:\n        if n % i == 0:\n            return False\n        i += 1\n    return True')}\nUse it:\n${python('print(is_prime(7))')}\nInstall nothing:\n\`\`\`bash\npip install nothing\n\`\`\`\n`,
    cases: [
      [[7], true],
      [[1], false],
      [[91], false],
      [[7919], true],
    ],
  },
  {
    name: 'a list of pairs, tuples',
    entry: 'pairs',
    answer: python('def pairs(xs):\n    return [(a, b) for i, a in enumerate(xs) for b in xs[i+1:]]'),
    cases: [
      [
        [[1, 2, 3]],
        [
          [1, 2],
          [1, 3],
          [2, 3],
        ],
      ],
      [[[]], []],
      [[['a', 'b']], [['a', 'b']]],
    ],
  },
  {
    name: 'a set',
    entry: 'letters',
    answer: python('def letters(text: str) -> set[str]:\n    return set(text)'),
    compare: { kind: 'set' },
    cases: [
      [['banana'], ['a', 'b', 'n']],
      [[''], []],
      [['zz'], { $set: ['z'] }],
    ],
  },
  {
    name: 'a list in any order',
    entry: 'common',
    answer: python('def common(a, b):\n    return list(set(a) & set(b))'),
    compare: { kind: 'set' },
    cases: [
      [
        [
          [1, 2, 3],
          [3, 2],
        ],
        [2, 3],
      ],
      [[[1], [2]], []],
      [
        [
          ['x', 'y'],
          ['y', 'x'],
        ],
        ['x', 'y'],
      ],
    ],
  },
  {
    name: 'sets inside',
    entry: 'groups',
    answer: python(
      'def groups(words):\n    out = {}\n    for w in words:\n        out.setdefault(len(w), set()).add(w)\n    return out',
    ),
    cases: [
      [[['a', 'bb']], { '1': { $set: ['a'] }, '2': { $set: ['bb'] } }],
      [[['cc', 'aa']], { '2': { $set: ['aa', 'cc'] } }],
      [[[]], {}],
    ],
  },
  {
    name: 'floats within a tolerance',
    entry: 'mean',
    answer: python('import statistics\ndef mean(xs):\n    return statistics.fmean(xs)'),
    compare: { kind: 'float', tolerance: 1e-9 },
    cases: [
      [[[1, 2]], 1.5],
      [[[0.1, 0.2, 0.3]], 0.2],
      [[[1e10, 1e10 + 1]], 1e10 + 0.5],
    ],
  },
  {
    name: 'not a number and infinity',
    entry: 'divide',
    answer: python(
      "def divide(a, b):\n    if b == 0:\n        return float('nan') if a == 0 else float('inf') * (1 if a > 0 else -1)\n    return a / b",
    ),
    cases: [
      [[1, 2], 0.5],
      [[0, 0], { $f: 'nan' }],
      [[3, 0], { $f: 'inf' }],
      [[-3, 0], { $f: '-inf' }],
    ],
  },
  {
    name: 'not a number as input',
    entry: 'clean',
    answer: python('import math\ndef clean(xs):\n    return [x for x in xs if not math.isnan(x)]'),
    cases: [
      [[[1, { $f: 'nan' }]], [1]],
      [[[{ $f: 'nan' }]], []],
      [[[{ $f: 'inf' }, 2]], [{ $f: 'inf' }, 2]],
    ],
  },
  {
    name: 'nothing',
    entry: 'find',
    answer: python('def find(xs, x):\n    for i, y in enumerate(xs):\n        if x == y:\n            return i'),
    cases: [
      [[[1, 2], 2], 1],
      [[[1, 2], 3], null],
      [[[], 0], null],
    ],
  },
  {
    name: 'a Counter and a defaultdict are dicts',
    entry: 'count',
    answer: python(
      'from collections import Counter, defaultdict\ndef count(text):\n    other = defaultdict(int)\n    return {"all": Counter(text), "none": other}',
    ),
    cases: [
      [['aab'], { all: { a: 2, b: 1 }, none: {} }],
      [[''], { all: {}, none: {} }],
      [['$x$'], { all: { $$: 2, x: 1 }, none: {} }],
    ],
  },
  {
    name: 'keys that are numbers',
    entry: 'squares',
    answer: python('def squares(n):\n    return {i: i * i for i in range(n)}'),
    cases: [
      [[2], { '0': 0, '1': 1 }],
      [[0], {}],
      [[3], { '0': 0, '1': 1, '2': 4 }],
    ],
  },
  {
    name: 'a namedtuple and an enum',
    entry: 'point',
    answer: python(
      'from collections import namedtuple\nfrom enum import IntEnum\nPoint = namedtuple("Point", "x y")\nclass Side(IntEnum):\n    LEFT = 1\ndef point(a, b):\n    return Point(a, b), Side.LEFT',
    ),
    cases: [
      [
        [1, 2],
        [[1, 2], 1],
      ],
      [
        [3, 4],
        [[3, 4], 1],
      ],
      [
        ['a', null],
        [['a', null], 1],
      ],
    ],
  },
  {
    name: 'classes and dataclasses',
    entry: 'total',
    answer: python(
      'from __future__ import annotations\nfrom dataclasses import dataclass, asdict\n\n@dataclass\nclass Item:\n    name: str\n    price: float\n\ndef total(items: list[dict]) -> dict:\n    real = [Item(**one) for one in items]\n    return asdict(Item("sum", sum(one.price for one in real)))',
    ),
    cases: [
      [[[{ name: 'a', price: 1 }]], { name: 'sum', price: 1 }],
      [[[]], { name: 'sum', price: 0 }],
      [
        [
          [
            { name: 'a', price: 1.5 },
            { name: 'b', price: 2 },
          ],
        ],
        { name: 'sum', price: 3.5 },
      ],
    ],
  },
  {
    name: 'async',
    entry: 'later',
    answer: python('import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x * 2'),
    cases: [
      [[2], 4],
      [['ab'], 'abab'],
      [[[1]], [1, 1]],
    ],
  },
  {
    name: 'much printed',
    entry: 'loud',
    answer: python(
      'import sys\nprint("loaded")\ndef loud(n):\n    for i in range(n):\n        print("step", i)\n    sys.stderr.write("done")\n    return n',
    ),
    cases: [
      [[1], 1],
      [[0], 0],
      [[1000], 1000],
    ],
  },
  {
    name: 'a main of its own',
    entry: 'greet',
    answer: python(
      'import sys\n\ndef greet(name):\n    return f"Hello, {name}!"\n\nif __name__ == "__main__":\n    print(greet(sys.argv[1] if len(sys.argv) > 1 else "world"))',
    ),
    cases: [
      [['Ada'], 'Hello, Ada!'],
      [[''], 'Hello, !'],
      [['Ä ö €😀'], 'Hello, Ä ö €😀!'],
    ],
  },
  {
    name: 'tests in the same block',
    entry: 'double',
    answer: python(
      'import unittest\n\ndef double(x):\n    return x * 2\n\nclass TestDouble(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(double(2), 4)\n\nif __name__ == "__main__":\n    unittest.main()',
    ),
    cases: [
      [[2], 4],
      [[0], 0],
      [['a'], 'aa'],
    ],
  },
  {
    name: 'tests in a block of their own',
    entry: 'half',
    answer: `${python('def half(x):\n    return x / 2')}${python('import pytest\ndef test_half():\n    assert half(2) == 1')}`,
    cases: [
      [[2], 1],
      [[1], 0.5],
      [[-4], -2],
    ],
  },
  {
    name: 'a deep result',
    entry: 'nest',
    answer: python('def nest(n):\n    out = []\n    for _ in range(n):\n        out = [out]\n    return out'),
    cases: [
      [[0], []],
      [[2], [[[]]]],
      [[5], [[[[[[]]]]]]],
    ],
  },
  {
    name: 'threads and files of its own',
    entry: 'work',
    answer: python(
      'import tempfile, threading\ndef work(lines):\n    out = []\n    def one():\n        with tempfile.TemporaryFile("w+") as file:\n            file.write("\\n".join(lines))\n            file.seek(0)\n            out.append(file.read().split("\\n"))\n    t = threading.Thread(target=one)\n    t.start()\n    t.join()\n    return out[0]',
    ),
    cases: [
      [[['a', 'b']], ['a', 'b']],
      [[['x']], ['x']],
      [[['1', '', '2']], ['1', '', '2']],
    ],
  },
  {
    name: 'a cache and recursion',
    entry: 'fib',
    answer: python(
      'from functools import lru_cache\n\n@lru_cache(maxsize=None)\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)',
    ),
    cases: [
      [[10], 55],
      [[0], 0],
      [[90], { $i: '2880067194370816120' }],
    ],
  },
  {
    name: 'escapes and all kinds of text',
    entry: 'reverse',
    answer: python('reverse = lambda s: s[::-1]'),
    cases: [
      [['abc'], 'cba'],
      [['"\\\n\t\u0000\u2028'], '\u2028\u0000\t\n\\"'],
      [['😀é'], 'é😀'],
    ],
  },
  {
    name: 'a sort by key, with its input untouched',
    entry: 'by_age',
    answer: python(
      'def by_age(people):\n    return [p["name"] for p in sorted(people, key=lambda p: (p["age"], p["name"]))]',
    ),
    cases: [
      [
        [
          [
            { name: 'b', age: 2 },
            { name: 'a', age: 1 },
          ],
        ],
        ['a', 'b'],
      ],
      [[[]], []],
      [
        [
          [
            { name: 'z', age: 1 },
            { name: 'a', age: 1 },
          ],
        ],
        ['a', 'z'],
      ],
    ],
  },
  {
    name: 'whole numbers and floats are one',
    entry: 'power',
    answer: python('import math\ndef power(a, b):\n    return math.pow(a, b)'),
    cases: [
      [[2, 3], 8],
      [[2, -1], 0.5],
      [[10, 20], 1e20],
    ],
  },
  {
    name: 'no fence at all',
    entry: 'f',
    answer: ' def f(a,b):\n    return a+b\n',
    cases: [
      [[1, 2], 3],
      [[-1, 1], 0],
      [[2.5, 0.25], 2.75],
    ],
  },
  {
    name: 'a fence without a language',
    entry: 'f',
    answer: 'So:\n\n```\ndef f(s):\n    return s.upper()\n```\n',
    cases: [
      [['a'], 'A'],
      [['ß'], 'SS'],
      [[''], ''],
    ],
  },
];
