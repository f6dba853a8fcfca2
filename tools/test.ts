/**
 * Runs every test suite, one `bun test` process each, and closes with one line: `N passed, N failed, N skipped`.
 * `npm test -- gateway` runs the suites with that word in their path. `--failed <name>` counts a step that failed
 * before (CI's checks), so that the closing line tells of it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { files, root, workspaceOf } from '../checks/sources.ts';
import { readReport, skippedLines, type Totals } from './test-report.ts';

/** A test may take this long, a suite that. */
const testTimeoutMs = 30_000;
const suiteTimeoutMs = 12 * 60_000;

/** Folders with tests, in the order of trust: what others build on first. */
const order = ['packages', 'daemons', 'apps', 'tools', 'bench', 'tests', 'checks'];

/** The suites: a workspace, or a folder of the root, that holds test files. */
function suites(words: readonly string[]): string[] {
  const tested = files().filter((path) => /\.test\.tsx?$/.test(path));
  const all = [...new Set(tested.map(workspaceOf))].filter((suite) => suite !== '');
  const wanted = words.length === 0 ? all : all.filter((suite) => words.some((word) => suite.includes(word)));
  const place = (suite: string) => order.indexOf(suite.split('/')[0] ?? '');
  return wanted.toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

async function runSuite(suite: string, folder: string): Promise<Totals> {
  console.log(`\n== ${suite}`);
  const report = join(folder, `${suite.replaceAll('/', '-')}.xml`);
  const reporter = ['--reporter=junit', `--reporter-outfile=${report}`];
  const child = Bun.spawn([process.execPath, 'test', `--timeout=${testTimeoutMs}`, ...reporter, `./${suite}/`], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: suiteTimeoutMs,
    killSignal: 'SIGKILL',
  });
  const status = await child.exited;
  const written = (await Bun.file(report).exists()) ? readFileSync(report, 'utf8') : '';
  const totals = readReport(written);
  // A file that does not load, a crash or a time-out leaves no failed test case behind.
  if (status !== 0 && totals.failed === 0) {
    console.log(`${suite}: bun test ended with ${status} and named no failed test`);
    totals.failed = 1;
  }
  return totals;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { failed: { type: 'string', multiple: true } },
    allowPositionals: true,
  });
  const stepsFailed = values.failed ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-tests-'));
  const all: [suite: string, totals: Totals][] = [];
  try {
    for (const suite of suites(positionals)) all.push([suite, await runSuite(suite, folder)]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const totals = all.map(([, one]) => one);
  const sum = (count: (one: Totals) => number) => totals.reduce((total, one) => total + count(one), 0);
  const passed = sum((one) => one.passed);
  const failed = sum((one) => one.failed) + stepsFailed.length;
  console.log('');
  for (const [suite, one] of all.filter((each) => each[1].failed > 0)) console.log(`failed ${one.failed} in ${suite}`);
  for (const step of stepsFailed) console.log(`failed before the tests: ${step}`);
  for (const line of skippedLines(totals.flatMap((one) => one.skipped))) console.log(line);
  console.log(`${passed} passed, ${failed} failed, ${sum((one) => one.skipped.length)} skipped`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
