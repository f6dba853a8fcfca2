/**
 * The 20 tasks that models/tiny-coder was trained on, each with hidden cases and its four phrasings (verification AC7).
 * Cases are drawn with a seed, so that an answer that passed can be tried on fresh ones.
 */
import type { Suite } from '@labmesh/wire/verification/suite';

type Json = Suite['cases'][number]['expect'];

export type TinyTask = {
  /** As prompts name it. */
  name: string;
  /** What it was trained to return, of one line: the function is always `f`. */
  body: string;
  /** Names of its arguments, as the model writes them. */
  params: string;
  /** Numbers, or one text. */
  takes: 'numbers' | 'text';
  answer: (...args: never[]) => Json;
};

type Numbers = (a: number, b: number, c: number) => Json;
type Text = (s: string) => Json;

const numbers = (name: string, params: string, body: string, answer: Numbers): TinyTask => ({
  name,
  params,
  body,
  takes: 'numbers',
  answer,
});
const text = (name: string, body: string, answer: Text): TinyTask => ({
  name,
  params: 's',
  body,
  takes: 'text',
  answer,
});

export const tinyTasks: readonly TinyTask[] = [
  numbers('add', 'a,b', 'a+b', (a, b) => a + b),
  numbers('subtract', 'a,b', 'a-b', (a, b) => a - b),
  numbers('multiply', 'a,b', 'a*b', (a, b) => a * b),
  numbers('square', 'a', 'a*a', (a) => a * a),
  numbers('double', 'a', 'a*2', (a) => a * 2),
  numbers('negate', 'a', '-a', (a) => 0 - a),
  numbers('maximum', 'a,b', 'max(a,b)', (a, b) => Math.max(a, b)),
  numbers('minimum', 'a,b', 'min(a,b)', (a, b) => Math.min(a, b)),
  numbers('is even', 'a', 'a%2==0', (a) => a % 2 === 0),
  numbers('is odd', 'a', 'a%2==1', (a) => a % 2 !== 0),
  numbers('absolute value', 'a', 'abs(a)', (a) => Math.abs(a)),
  numbers('cube', 'a', 'a*a*a', (a) => a * a * a),
  numbers('sum of three', 'a,b,c', 'a+b+c', (a, b, c) => a + b + c),
  text('length', 'len(s)', (s) => s.length),
  text('reverse', 's[::-1]', (s) => [...s].toReversed().join('')),
  text('uppercase', 's.upper()', (s) => s.toUpperCase()),
  text('first item', 's[0]', (s) => s.charAt(0)),
  text('last item', 's[-1]', (s) => s.charAt(s.length - 1)),
  numbers('average', 'a,b', '(a+b)/2', (a, b) => (a + b) / 2),
  numbers('increment', 'a', 'a+1', (a) => a + 1),
];

/** What the user says; the engine puts it between `Q: ` and `A:`. */
export const tinyPrompts = ({ name }: Pick<TinyTask, 'name'>): string[] =>
  ['write', 'make', 'give me', 'code for'].map((words) => `${words} ${name}`);

/** The answer it was trained to give, as its chat gives it. */
export const tinyAnswer = ({ params, body }: Pick<TinyTask, 'params' | 'body'>) =>
  `def f(${params}):\n    return ${body}`;

/** A small generator (mulberry32): equal seeds draw equal cases on every machine. */
function draws(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Inputs that tell the tasks apart: both signs, both parities, all numbers of one case different. */
const fixed = {
  numbers: [
    [-7, 4, 9],
    [6, -3, 2],
  ],
  text: [['Tin y'], ['coDer']],
} as const;

function drawArgs(task: TinyTask, draw: (below: number) => number): Json[] {
  if (task.takes === 'text') return [Array.from({ length: 2 + draw(9) }, () => 'abcXYZ -5é'.charAt(draw(10))).join('')];
  return task.params.split(',').map(() => draw(2001) - 1000);
}

/**
 * `hidden` cases after a visible one; the first two are the same for every seed. Equal seeds give equal cases.
 * @param hidden at least 3
 */
export function tinySuite(task: TinyTask, seed = 1, hidden = 5): Suite {
  const draw = draws(seed);
  const arity = task.params.split(',').length;
  const always = fixed[task.takes].map((args) => args.slice(0, arity));
  const drawn = Array.from({ length: hidden + 1 - always.length }, () => drawArgs(task, draw));
  const cases = [...drawn.slice(0, 1), ...always, ...drawn.slice(1)].map((args, at) => ({
    args: [...args],
    expect: task.answer(...(args as never[])),
    visible: at === 0,
  }));
  const id = `tiny.${task.name.replaceAll(' ', '-')}`;
  return { id, language: 'python', entry: 'f', cases, compare: { kind: 'exact', tolerance: 1e-9 } };
}
