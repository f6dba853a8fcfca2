import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { compatResult, compatResultSchema, compatStatuses } from './compat-result.ts';
import { junitCounts } from './junit-counts.ts';
import {
  sandboxExits,
  sandboxLimitsSchema,
  type SandboxResult,
  sandboxResultSchema,
  unlearnedResult,
} from './sandbox.ts';

const limits = sandboxLimitsSchema.parse({});
const id = '01890000-0000-7000-8000-000000000000';

/** A run that ended well, with changes. */
const result = (changes: Partial<SandboxResult> = {}): SandboxResult => ({
  id,
  exit: 'ok',
  code: 0,
  signal: null,
  stdout: btoa('out\n'),
  stderr: btoa('err\n'),
  truncated: false,
  usage: { wallMs: 12.5, cpuMs: 8, maxRssBytes: 10_000_000 },
  level: 'SANDBOX_L1_NAMESPACE',
  backend: 'bubblewrap 0.8.0',
  uidIsolated: true,
  cgroup: true,
  limits,
  files: [],
  error: null,
  ...changes,
});
const file = (path: string, text: string) => ({ path, content: btoa(text) });

describe('SB3 every exit has its status, its code and its reason', () => {
  const ended = { code: null, signal: null } as const;
  const error = { code: 'LEVEL_UNAVAILABLE', message: 'install bubblewrap' };
  const table: [SandboxResult, string, number, string | null][] = [
    [result(), 'success', 0, null],
    [result({ exit: 'nonzero', code: 3 }), 'failure', 3, 'ended with exit code 3'],
    [result({ exit: 'signal', ...ended, signal: 'SIGSEGV' }), 'failure', -1, 'ended by SIGSEGV'],
    [result({ exit: 'wall', ...ended }), 'timeout', -1, 'ended: longer than 30 s'],
    [result({ exit: 'cpu', ...ended }), 'timeout', -1, 'ended: more than 30 s of CPU time'],
    [result({ exit: 'oom', ...ended, signal: 'SIGKILL' }), 'failure', -1, 'ended: more than 512 MiB of memory'],
    [result({ exit: 'pids', code: 1 }), 'failure', 1, 'ended: more than 64 processes or threads'],
    [result({ exit: 'output', ...ended }), 'failure', -1, 'ended: more than 1048576 bytes of output'],
    [result({ exit: 'disk', code: 1 }), 'failure', 1, 'ended: more than 64 MiB of files'],
    [unlearnedResult('refused', { id, limits, error }), 'error', -1, 'not run: install bubblewrap (LEVEL_UNAVAILABLE)'],
    [
      unlearnedResult('sandbox_error', { id, limits, error: { code: 'SETUP_FAILED', message: 'no place' } }),
      'error',
      -1,
      'the sandbox failed, nothing was learned: no place (SETUP_FAILED)',
    ],
  ];

  test.each(table.map((row) => [row[0].exit, ...row] as const))('%s', (_, given, status, exitCode, message) => {
    const view = compatResultSchema.strict().parse(compatResult(given));
    expect([view.status, view.exit_code, view.error_message]).toEqual([status, exitCode, message] as never);
    expect(view.metadata).toMatchObject({ exit: given.exit, error_code: given.error?.code ?? null });
  });

  test('the table has them all, and none is skipped: clients count that as passed', () => {
    expect(table.map(([{ exit }]) => exit)).toEqual([...sandboxExits]);
    expect(table.map(([, status]) => status)).not.toContain('skipped');
    expect(compatStatuses).toEqual(['success', 'failure', 'timeout', 'error', 'skipped']);
  });
});

test('the whole form, as it goes out', () => {
  const report = '<?xml version="1.0"?><testsuites tests="4" failures="1" skipped="1" time="0.1">';
  const files = [file('notes.txt', '<testsuites tests="9" failures="0">'), file('junit.xml', report)];
  expect(compatResult(result({ files, truncated: true }))).toEqual({
    id,
    status: 'success',
    stdout: 'out\n',
    stderr: 'err\n',
    exit_code: 0,
    execution_time_ms: 12.5,
    memory_used_mb: 9.54,
    tests_passed: 2,
    tests_failed: 1,
    tests_total: 4,
    error_message: null,
    metadata: {
      exit: 'ok',
      signal: null,
      error_code: null,
      truncated: true,
      cpu_time_ms: 8,
      isolation: 'SANDBOX_L1_NAMESPACE',
      backend: 'bubblewrap 0.8.0',
      uid_isolated: true,
      cgroup: true,
      tests_report: 'junit.xml',
      files: ['notes.txt', 'junit.xml'],
    },
  });
});

test('what was not measured is null, and no report is no tests', () => {
  const usage = { wallMs: 0, cpuMs: null, maxRssBytes: null };
  const view = compatResult(result({ usage, files: [file('a.xml', '<html tests="1" failures="0">')] }));
  expect(view).toMatchObject({ memory_used_mb: null, tests_total: 0, tests_passed: 0, tests_failed: 0 });
  expect(view.metadata).toMatchObject({ tests_report: null, cpu_time_ms: null });
});

test('any bytes a program writes make a view of its form', () => {
  const bytes = fc.uint8Array({ maxLength: 64 }).map((one) => one.toBase64());
  fc.assert(
    fc.property(bytes, bytes, fc.constantFrom(...sandboxExits), (stdout, content, exit) => {
      const given = sandboxResultSchema.parse(result({ stdout, exit, files: [{ path: 'r.xml', content }] }));
      const {
        tests_passed: passed,
        tests_failed: failed,
        tests_total: total,
      } = compatResultSchema.parse(compatResult(given));
      expect(passed + failed).toBeLessThanOrEqual(total);
    }),
  );
});

describe('a JUnit report is counted', () => {
  test.each([
    [
      'Bun',
      '<?xml version="1.0"?>\n<testsuites name="bun test" tests="3" assertions="3" failures="1" skipped="1">',
      1,
      1,
      3,
    ],
    ['pytest', '<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="0" tests="5">', 3, 2, 5],
    ['one suite', '<testsuite tests="2" failures="0">', 2, 0, 2],
    ['more faults than tests', '<testsuite tests="2" failures="9">', 0, 2, 2],
  ] as const)('of %s', (_, report, passed, failed, total) => {
    expect(junitCounts(report)).toEqual({ passed, failed, total });
  });

  test('and what is none is not', () => {
    const long = '<testsuites '.padEnd(5_000);
    for (const text of [
      '',
      '<testsuites>',
      '<testsuites tests="x" failures="0">',
      '<other tests="1" failures="0">',
      long,
    ]) {
      expect(junitCounts(text)).toBeUndefined();
    }
    fc.assert(fc.property(fc.string(), (text) => expect(junitCounts(text)?.total ?? 0).toBeGreaterThanOrEqual(0)));
  });
});
