/** Verification AC3, SB20: nothing of the cheat corpus is accepted; each fails, by its own fault. */
import { afterAll, describe, expect, test } from 'bun:test';
import type { Suite } from '@labmesh/wire/verification/suite';
import { bashCheats, javascriptCheats } from '../testing/other-cheats.ts';
import { cheatSuite, honestWeigh } from '../testing/cheat-task.ts';
import { pythonCheats } from '../testing/python-cheats.ts';
import { checkCode } from '../testing/check-code.ts';
import { closeTestRunner, sandboxMissing } from '../testing/test-runner.ts';

afterAll(closeTestRunner);

const corpora: readonly [Suite['language'], Readonly<Record<string, string>>][] = [
  ['python', pythonCheats],
  ['javascript', javascriptCheats],
  ['typescript', {}],
  ['bash', bashCheats],
];

describe.skipIf(sandboxMissing !== undefined)(`cheats ${sandboxMissing ?? ''}`, () => {
  describe.each(corpora)('%s', (language, cheats) => {
    const suite = cheatSuite(language);

    test('who solves the task passes', async () => {
      const finding = await checkCode(language, honestWeigh[language], { suite });
      expect(finding).toMatchObject({ status: 'passed', level: 'SANDBOX_L1_NAMESPACE' });
      expect(finding.grants).toContain('TESTS_PASSED_HIDDEN');
    });

    for (const [name, code] of Object.entries(cheats)) {
      test(name, async () => {
        const finding = await checkCode(language, code, { suite, config: { timeout_s: 2 } });
        expect(finding.status).toBe('failed');
        expect(finding.grants ?? []).toEqual([]);
        // What failed is told, but nothing of a hidden case (V20).
        const told = JSON.stringify(finding);
        for (const hidden of ['tanganyika', 'zanzibar', 'kilimanjaro']) expect(told).not.toContain(hidden);
      });
    }
  });

  // Ways of comparing that allow more must not let in what is near to everything.
  const loose = [
    'not a number',
    'infinity',
    'a number that is near to all',
    'more digits than a double has',
    'a flood',
  ];
  test.each(loose)('compared with a tolerance: %s', async (name) => {
    const code = pythonCheats[name] ?? 'no such cheat';
    for (const compare of [{ kind: 'float', tolerance: 1e-3 }, { kind: 'set' }]) {
      const finding = await checkCode('python', code, { suite: cheatSuite('python', compare) });
      expect(finding.status).toBe('failed');
    }
  });

  test('with one hidden case a suite decides nothing', async () => {
    const suite = cheatSuite('python');
    const lone = { ...suite, cases: suite.cases.slice(0, 2) };
    const finding = await checkCode('python', pythonCheats['the visible case alone'] ?? '', { suite: lone });
    expect(finding).toMatchObject({ status: 'passed', grants: ['EXECUTED_EXIT_0'] });
    expect(finding.details).toMatchObject({ grade: 'run', note: 'the suite has fewer than 2 hidden cases' });
  });
});
