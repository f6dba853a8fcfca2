import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { daemonDependencies } from './dependencies.ts';
import {
  functionsOf,
  limitOf,
  type Mark,
  marks,
  type MeasureName,
  measures,
  past,
  quantile,
  rulerFindings,
} from './ruler.ts';
import { commentLines } from './ruler.ts';
import { parseSource, root } from './sources.ts';

type Allowed = Partial<Record<MeasureName, number>>;

const allowed = JSON.parse(readFileSync(join(root, 'checks/ruler.json'), 'utf8')) as Allowed;

/** Every value ruler.json ever had in the history that is here (a shallow clone has less). */
function committed(): Allowed[] {
  const git = (...args: string[]) => Bun.spawnSync(['git', '-c', `safe.directory=${root}`, ...args], { cwd: root });
  const log = git('log', '--format=%H', '--', 'checks/ruler.json');
  if (log.exitCode !== 0) return [];
  const commits = log.stdout.toString().split('\n').filter(Boolean);
  const texts = commits.map((commit) => git('show', `${commit}:checks/ruler.json`));
  return texts.filter((run) => run.exitCode === 0).map((run) => JSON.parse(run.stdout.toString()) as Allowed);
}

describe('ruler', () => {
  const taken = [...measures(), ...daemonDependencies()];

  test('nothing is past its limit', () => expect(rulerFindings(taken, allowed)).toEqual([]));

  test('every measure was taken', () => {
    expect([...new Set(taken.map((measure) => measure.name))].toSorted()).toEqual(
      (Object.keys(marks) as MeasureName[]).toSorted(),
    );
    expect(taken.filter((measure) => measure.name === 'functionLinesLongest').length).toBeGreaterThan(200);
  });

  test('ruler.json names known measures and stays between aim and wall', () => {
    for (const [name, value] of Object.entries(allowed)) {
      const mark = marks[name as MeasureName] as Mark | undefined;
      expect(mark, name).toBeDefined();
      if (mark === undefined) continue;
      expect(past(mark, value, mark.wall), `${name} ${value} is past the wall ${mark.wall}`).toBe(false);
      expect(past(mark, value, mark.aim), `${name} ${value} meets the aim: take it out of ruler.json`).toBe(true);
    }
  });

  test('ruler.json only gets stricter', () => {
    for (const before of committed()) {
      for (const name of Object.keys(marks) as MeasureName[]) {
        const [now, then] = [limitOf(name, allowed), limitOf(name, before)];
        expect(past(marks[name], now, then), `${name} went from ${then} to ${now}`).toBe(false);
      }
    }
  });
});

describe('the measures themselves', () => {
  test('function lines: bodies of functions, methods and arrows, not of describe', () => {
    const body = `{\n${'  1;\n'.repeat(70)}}`;
    const of = (text: string) => functionsOf(parseSource('a.test.ts', text)).map((one) => `${one.name} ${one.lines}`);
    expect(of(`function f() ${body}`)).toEqual(['f 72']);
    expect(of(`const f = () => ${body};`)).toEqual(['(anonymous) 72']);
    expect(of(`class A {\n  m() ${body}\n}`)).toEqual(['(anonymous) 72']);
    expect(of(`describe('x', () => ${body});\ntest('y', () => {});`)).toEqual(['(anonymous) 1']);
  });

  test('a finding names file, line, measure and wall', () => {
    const measure = { name: 'functionLinesLongest', value: 72, where: 'packages/kit/src/a.ts:3 f' } as const;
    expect(rulerFindings([measure], {})).toEqual([
      'packages/kit/src/a.ts:3 f: functionLinesLongest 72, limit 70 (aim 70, wall 70)',
    ]);
    expect(rulerFindings([{ ...measure, value: 70 }], { functionLinesLongest: 9000 })).toEqual([]);
    expect(rulerFindings([measure], { functionLinesLongest: 9000 })).toHaveLength(1);
    expect(rulerFindings([{ name: 'testLinesPerSourceLine', value: 0.4, where: 'x' }], {})).toHaveLength(1);
  });

  test('comment lines', () => {
    const source = parseSource('a.ts', '/**\n * Why.\n */\nconst a = 1; // b\n\nconst c = "// no";\n');
    expect(commentLines(source)).toEqual({ comment: 4, filled: 5 });
  });

  test('quantiles', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9)).toBe(10);
    expect(quantile([], 0.9)).toBe(0);
  });
});
