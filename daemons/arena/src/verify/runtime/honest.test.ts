/** Verification AC3: of the honest corpus everything is accepted. */
import { afterAll, describe, expect, test } from 'bun:test';
import type { Suite } from '@labmesh/wire/verification/suite';
import { asSuite } from '../../suites/parse-suite.ts';
import { checkAnswer } from '../testing/check-code.ts';
import { honestBash, honestJavascript, honestTypescript } from '../testing/honest-others.ts';
import { honestPython, type HonestTask } from '../testing/honest-python.ts';
import { closeTestRunner, sandboxMissing } from '../testing/test-runner.ts';

afterAll(closeTestRunner);

const corpora: readonly [Suite['language'], readonly HonestTask[]][] = [
  ['python', honestPython],
  ['javascript', honestJavascript],
  ['typescript', honestTypescript],
  ['bash', honestBash],
];

test('there are at least 40 tasks', () => {
  expect(corpora.reduce((sum, [, tasks]) => sum + tasks.length, 0)).toBeGreaterThanOrEqual(40);
});

describe.skipIf(sandboxMissing !== undefined)(`honest answers ${sandboxMissing ?? ''}`, () => {
  describe.each(corpora)('%s', (language, tasks) => {
    for (const { name, entry, answer, cases, compare } of tasks) {
      test(name, async () => {
        const listed = cases.map(([args, expected], at) => ({ args, expect: expected, visible: at === 0 }));
        const suite = asSuite({ id: 'honest', language, entry, cases: listed, ...(compare ? { compare } : {}) });
        const finding = await checkAnswer(answer, { suite });
        expect({ name, status: finding.status, message: finding.message }).toEqual({
          name,
          status: 'passed',
          message: `${cases.length} of ${cases.length} cases hold, ${cases.length - 1} of them hidden`,
        });
        expect(finding.grants).toContain('TESTS_PASSED_HIDDEN');
      });
    }
  });
});
