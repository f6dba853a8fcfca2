/**
 * Runs every test suite, one `bun test` process each, and closes with one line: `N passed, N failed, N skipped`.
 * `npm test -- gateway` runs the suites with that word in their path. `--failed <name>` counts a step that failed
 * before (CI's checks), so that the closing line tells of it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { files, root, workspaceOf } from '../checks/sources.ts';
import { failures, readReport, skippedLines, type Totals } from './test-report.ts';

/** A test may take this long, a suite that: many run at once, and the slowest properties take 10 s on an idle machine. */
const testTimeoutMs = 90_000;
const suiteTimeoutMs = 16 * 60_000;
/** Suites at once. */
const lanes = Math.min(2, availableParallelism());
/** Wait for the clocks of sessions nearly all of their long time, so they run beside the lanes. */
const waitingSuites: ReadonlySet<string> = new Set(['tests/tunnel', 'tests/tunnel/', 'tests/labman']);

/** Takes longest of the others: begun last it would be left alone at the end. */
const longestSuite = 'tests/fleet';

/** Folders with tests, in the order of trust: what others build on first. */
const order = ['packages', 'daemons', 'apps', 'tools', 'bench', 'checks', 'tests'];

type Suite = { name: string; paths: string[] };

/** A workspace or a folder is a suite; stories are one for each first word: tests/fleet, tests/tunnel, … */
function suiteOf(path: string): string {
  const [, word, slash = ''] = /^tests\/(\w+)[^/]*(\/)?/.exec(path) ?? [];
  return word === undefined ? workspaceOf(path) : `tests/${word}${slash}`;
}

/** The longest first within the stories, so that none is left for the end alone. */
function suites(words: readonly string[]): Suite[] {
  // interop needs programs that no Debian package has; it is run by hand.
  const tested = files().filter((path) => /\.test\.tsx?$/.test(path) && !path.startsWith('interop/'));
  const byName = Map.groupBy(tested, suiteOf);
  const all = [...byName].map(([name, paths]) => ({ name, paths })).filter(({ name }) => name !== '');
  const wanted = words.length === 0 ? all : all.filter(({ name }) => words.some((word) => name.includes(word)));
  const place = ({ name }: Suite) => order.indexOf(name.split('/')[0] ?? '');
  return wanted.toSorted(
    (one, two) => place(one) - place(two) || two.paths.length - one.paths.length || (one.name < two.name ? -1 : 1),
  );
}

type Outcome = Totals & { why: string[] };

async function runSuite({ name, paths }: Suite, folder: string): Promise<Outcome> {
  const report = join(folder, `${name.replaceAll('/', '-')}.xml`);
  const reporter = ['--reporter=junit', `--reporter-outfile=${report}`];
  const log = join(folder, `${name.replaceAll('/', '-')}.log`);
  const from = performance.now();
  const command = [process.execPath, 'test', `--timeout=${testTimeoutMs}`, ...reporter];
  const child = Bun.spawn([...command, ...paths.map((path) => `./${path}`)], {
    cwd: root,
    stdio: ['ignore', Bun.file(log), Bun.file(log)],
    timeout: suiteTimeoutMs,
    killSignal: 'SIGKILL',
  });
  const status = await child.exited;
  // Whole, so that two suites do not speak at once.
  const said = readFileSync(log, 'utf8');
  console.log(`\n== ${name}\n${said}`);
  console.log(`${name}: ${((performance.now() - from) / 1_000).toFixed(1)} s`);
  const written = (await Bun.file(report).exists()) ? readFileSync(report, 'utf8') : '';
  const totals = { ...readReport(written), why: failures(said) };
  // A file that does not load, a crash or a time-out leaves no failed test case behind.
  if (status !== 0 && totals.failed === 0) {
    console.log(`${name}: bun test ended with ${status} and named no failed test`);
    totals.failed = 1;
  }
  return totals;
}

/** Runs them in order, `lanes` at a time and those that wait from the start. */
async function runAll(wanted: readonly Suite[], folder: string): Promise<[suite: string, outcome: Outcome][]> {
  const others = wanted.filter(({ name }) => !waitingSuites.has(name));
  const waiting = others.toSorted((a, b) => Number(b.name === longestSuite) - Number(a.name === longestSuite));
  const beside = wanted.filter(({ name }) => waitingSuites.has(name));
  const done: [suite: string, outcome: Outcome][] = [];
  const lane = async (line: Suite[]) => {
    for (let suite = line.shift(); suite !== undefined; suite = line.shift()) {
      done.push([suite.name, await runSuite(suite, folder)]);
    }
  };
  await Promise.all([...beside.map((suite) => lane([suite])), ...Array.from({ length: lanes }, () => lane(waiting))]);
  return done;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { failed: { type: 'string', multiple: true } },
    allowPositionals: true,
  });
  const stepsFailed = values.failed ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-tests-'));
  let all: [suite: string, outcome: Outcome][] = [];
  try {
    all = await runAll(suites(positionals), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const totals = all.map(([, one]) => one);
  const sum = (count: (one: Totals) => number) => totals.reduce((total, one) => total + count(one), 0);
  const passed = sum((one) => one.passed);
  const failed = sum((one) => one.failed) + stepsFailed.length;
  console.log('');
  for (const [suite, one] of all.filter((each) => each[1].failed > 0)) {
    // Once more at the end, where whoever reads looks first.
    console.log([`failed ${one.failed} in ${suite}`, ...one.why].join('\n'));
  }
  for (const step of stepsFailed) console.log(`failed before the tests: ${step}`);
  for (const line of skippedLines(totals.flatMap((one) => one.skipped))) console.log(line);
  console.log(`${passed} passed, ${failed} failed, ${sum((one) => one.skipped.length)} skipped`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
