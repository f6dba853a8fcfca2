/** The suites of the tiny model's tasks: its right answers pass, every other task's answer does not. */
import { afterAll, describe, expect, test } from 'bun:test';
import { checkAnswer } from '@labmesh/arena/verify/testing/check-code';
import { closeTestRunner, sandboxMissing } from '@labmesh/arena/verify/testing/test-runner';
import { parseSuite, suiteBytes, hiddenCases } from '@labmesh/arena/suites/parse-suite';
import { tinyAnswer, tinyPrompts, tinySuite, tinyTasks } from './tiny-tasks.ts';

afterAll(closeTestRunner);

test('20 tasks, 80 prompts, each suite with at least 3 hidden cases', () => {
  expect(tinyTasks).toHaveLength(20);
  expect(new Set(tinyTasks.flatMap(tinyPrompts)).size).toBe(80);
  for (const task of tinyTasks) {
    const suite = tinySuite(task);
    expect(hiddenCases(suite)).toBeGreaterThanOrEqual(3);
    expect(parseSuite(suiteBytes(suite))).toEqual(suite);
    expect(tinySuite(task)).toEqual(suite);
    expect(tinySuite(task, 2)).not.toEqual(suite);
  }
});

test('no two tasks of the same arguments agree on all hidden cases', () => {
  for (const task of tinyTasks) {
    const hidden = tinySuite(task).cases.filter(({ visible }) => !visible);
    // The training noise swaps answers of equal arguments.
    for (const other of tinyTasks.filter((one) => one !== task && one.params === task.params)) {
      const agrees = hidden.every(
        ({ args, expect }) => JSON.stringify(other.answer(...(args as never[]))) === JSON.stringify(expect),
      );
      expect({ task: task.name, other: other.name, agrees }).toEqual({
        task: task.name,
        other: other.name,
        agrees: false,
      });
    }
  }
});

describe.skipIf(sandboxMissing !== undefined)(`in the sandbox ${sandboxMissing ?? ''}`, () => {
  test('the answer it was trained to give passes, on fresh cases too', async () => {
    for (const task of tinyTasks) {
      for (const seed of [1, 99]) {
        const { status, message } = await checkAnswer(tinyAnswer(task), { suite: tinySuite(task, seed) });
        expect({ task: task.name, status, message }).toMatchObject({ task: task.name, status: 'passed' });
      }
    }
  }, 60_000);

  test('the answer of another task does not', async () => {
    for (const [at, task] of tinyTasks.entries()) {
      const other = tinyTasks.find((one, place) => place !== at && one.params === task.params);
      if (other === undefined) continue;
      const { status } = await checkAnswer(tinyAnswer(other), { suite: tinySuite(task) });
      expect({ task: task.name, other: other.name, status }).toMatchObject({ status: 'failed' });
    }
  }, 60_000);
});
