/** Verification AC3: whoever kills a sandbox on the way gets an error, neither failed nor passed. */
import { afterAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { checkCode } from '../testing/check-code.ts';
import { cheatSuite } from '../testing/cheat-task.ts';
import { closeTestRunner, sandboxMissing } from '../testing/test-runner.ts';

afterAll(closeTestRunner);

const read = (path: string) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** The processes that hold the sandbox in which something with this mark runs, outermost first. */
function bwraps(mark: string): number[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const inside = all.filter((pid) => read(`/proc/${pid}/cmdline`).includes(mark));
  const above = (pid: number): number[] => {
    const parent = Number(/^PPid:\s*(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
    return parent > 1 ? [...above(parent), parent] : [];
  };
  const isBwrap = (pid: number) => read(`/proc/${pid}/comm`).startsWith('bwrap');
  return [...new Set(inside.flatMap(above))].filter(isBwrap);
}

describe.skipIf(sandboxMissing !== undefined)(`a killed sandbox ${sandboxMissing ?? ''}`, () => {
  const cases: [string, string | undefined][] = [
    ['a run', undefined],
    ['cases', 'python'],
  ];
  test.each(cases)('%s', async (_, language) => {
    // Found among all processes of the machine by an argument of its own.
    const mark = `mark-${crypto.randomUUID()}`;
    const code = `import subprocess\nsubprocess.run(['/bin/sh', '-c', 'sleep 20; true', '${mark}'])\n`;
    const suite = language === undefined ? {} : { suite: cheatSuite('python') };
    const waiting = checkCode('python', code, { ...suite, config: { parallel_cases: 1, timeout_s: 25 } });
    let found: number[] = [];
    for (let tries = 0; found.length === 0 && tries < 400; tries++) {
      await Bun.sleep(25);
      found = bwraps(mark);
    }
    expect(found.length).toBeGreaterThan(0);
    process.kill(found[0] ?? 0, 'SIGKILL');
    const finding = await waiting;
    expect(finding).toMatchObject({ status: 'error' });
    expect(finding.grants).toBeUndefined();
  });
});
