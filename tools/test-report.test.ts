import { expect, test } from 'bun:test';
import { tightened } from './tighten.ts';
import { completeLock, type Lock, platformOf } from './complete-lock.ts';
import { failures, readReport, remedyFor, skippedLines } from './test-report.ts';

const xml = `<testsuites name="bun test"><testsuite name="a.test.ts"><testsuite name="g">
  <testcase name="one &amp; two &gt; x" classname="g" time="0" file="a.test.ts" line="1" assertions="1" />
  <testcase name="three" classname="g" time="0" file="a.test.ts" line="2" assertions="1">
    <failure type="AssertionError" />
  </testcase>
  <testcase name="beside nginx" classname="" time="0" file="b.test.ts" line="3" assertions="0">
    <skipped />
  </testcase>
</testsuite></testsuite></testsuites>`;

test('a report is counted', () => {
  const skipped = [{ file: 'b.test.ts', name: 'beside nginx' }];
  expect(readReport(xml)).toEqual({ passed: 1, failed: 1, skipped });
  expect(readReport('')).toEqual({ passed: 0, failed: 0, skipped: [] });
});

test('a skipped test names what it needs', () => {
  expect(remedyFor({ file: 'b.test.ts', name: 'beside nginx' })).toBe('apt-get install nginx-light');
  expect(remedyFor({ file: 'b.test.ts', name: 'x (needs wireguard-tools)' })).toBe('wireguard-tools');
  expect(remedyFor({ file: 'b.test.ts', name: 'x' })).toBeUndefined();
  expect(skippedLines(readReport(xml).skipped)).toEqual(['skipped 1 in b.test.ts: apt-get install nginx-light']);
});

test('a failed test is told with its error, once', () => {
  const log =
    'a.test.ts:\n(pass) one [1ms]\nerror: 1 is not 2\n  at a.test.ts:3\n(fail) two [2ms]\n(pass) three [1ms]\n';
  const said = ['error: 1 is not 2\n  at a.test.ts:3\n(fail) two [2ms]'];
  expect(failures(`${log}\n1 tests failed:\n(fail) two [2ms]\n`)).toEqual(said);
  expect(failures('(pass) one [1ms]\n')).toEqual([]);
});

test('limits only tighten', () => {
  expect(tightened({ fileLinesP90: 300 }, { fileLinesP90: 280 })).toEqual({ fileLinesP90: 280 });
  expect(tightened({ fileLinesP90: 300 }, { fileLinesP90: 320 })).toEqual({ fileLinesP90: 300 });
  expect(tightened({ fileLinesP90: 300 }, { fileLinesP90: 200 })).toEqual({});
  expect(tightened({ testLinesPerSourceLine: 0.5 }, { testLinesPerSourceLine: 0.6 })).toEqual({
    testLinesPerSourceLine: 0.6,
  });
});

test('a lock file gets the platforms the registry left out', () => {
  const lock: Lock = {
    packages: { 'node_modules/a': { optionalDependencies: { '@a/linux-arm64-musl': '1.0.0', 'b-x': '2.0.0' } } },
  };
  expect(completeLock(lock)).toEqual(['@a/linux-arm64-musl']);
  expect(lock.packages).toHaveProperty(['node_modules/@a/linux-arm64-musl', 'version'], '1.0.0');
  expect(completeLock(lock)).toEqual([]);
  expect(platformOf('@b/win-x64')).toEqual({ cpu: ['x64'], os: ['win32'] });
  expect(platformOf('fsevents')).toBeUndefined();
});
