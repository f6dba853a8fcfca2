/**
 * runtime_verifier (verification V14): runs what the answer's code blocks are. With a suite of at least two hidden cases
 * the grade is `io`: the cases decide, and the program's own exit code only says whether EXECUTED_EXIT_0 may be claimed.
 * Without one the grade is `run`. The answer's own tests come on top and stand for nothing but themselves.
 */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, Verifier, VerifierContext } from '../../contract/verifier.ts';
import { hiddenCases } from '../../suites/parse-suite.ts';
import { casesFinding } from '../cases/cases-finding.ts';
import { denyListNotes } from '../programs/deny-list.ts';
import { runCases } from '../cases/hidden-cases.ts';
import { lowest } from '../programs/lowest.ts';
import { type OwnTests, runOwnTests } from './own-tests.ts';
import { type Program, programsOf } from '../programs/program.ts';
import { codeHash, type Execution, type ProgramRun, runProgram } from './run-program.ts';
import { type RuntimeConfig, runtimeConfigSchema, runtimeMinLevel, shownLimits } from '../programs/runtime-config.ts';

type Context = VerifierContext<RuntimeConfig>;

/** With fewer a lucky constant could hold them all: the suite decides nothing (V19). */
const hiddenCasesLeast = 2;

const nothing = (candidate: Context['suite']): Finding =>
  candidate === undefined
    ? { status: 'skipped', message: 'the answer has no code that can be run', details: {}, code: 'NO_CODE' }
    : { status: 'failed', message: `the answer has no ${candidate.language} code`, details: {}, code: 'NO_CODE' };

/** Several programs of one answer as one execution: hashes over the list of theirs. */
function together(executions: readonly Execution[]): Execution | undefined {
  const [first] = executions;
  if (first === undefined || executions.length === 1) return first;
  const over = (key: 'code_hash' | 'stdout_hash' | 'stderr_hash') =>
    sha256Hex(canonicalBytes(executions.map((one) => one[key])));
  return {
    ...first,
    code_hash: over('code_hash'),
    stdout_hash: over('stdout_hash'),
    stderr_hash: over('stderr_hash'),
    exit_code: executions.find((one) => one.exit_code !== 0)?.exit_code ?? 0,
    execution_time_ms: executions.reduce((sum, one) => sum + one.execution_time_ms, 0),
  };
}

const evidenceOf = (executions: readonly Execution[]) =>
  sha256Hex(
    canonicalBytes(
      executions.map(({ code_hash, exit_code, stdout_hash, stderr_hash }) => ({
        code_hash,
        exit_code,
        stdout_hash,
        stderr_hash,
      })),
    ),
  );

/** Every program ends with exit code 0; the first that does not ends the answer. */
async function gradeRun(programs: readonly Program[], context: Context): Promise<Finding> {
  const runs: ProgramRun[] = [];
  for (const program of programs) {
    const run = await runProgram(program, context);
    runs.push(run);
    if (run.kind !== 'passed') break;
  }
  const level = lowest(runs.map((run) => (run.kind === 'error' ? null : run.level)));
  const last = runs.at(-1);
  const blocks = programs[runs.length - 1]?.blocks ?? [];
  if (last?.kind === 'error') {
    return { status: 'error', message: last.message, details: { grade: 'run' }, level, code: last.code };
  }
  const executions = runs.flatMap((run) => (run.kind === 'error' || !run.execution ? [] : [run.execution]));
  const details = { grade: 'run', execution: together(executions) };
  if (last?.kind === 'failed') {
    const { message, code, stderr } = last;
    return { status: 'failed', message, details: { ...details, blocks, stderr }, level, code };
  }
  const evidenceSha256 = evidenceOf(executions);
  return {
    status: 'passed',
    message: `${runs.length === 1 ? 'the program ends' : `${runs.length} programs end`} with exit code 0`,
    details,
    level,
    evidenceSha256,
    grants: ['EXECUTED_EXIT_0'],
  };
}

/** Hidden cases first; a passed answer is then run by itself for what its exit code says. */
async function gradeIo(program: Program, suite: NonNullable<Context['suite']>, context: Context): Promise<Finding> {
  const reports = await runCases({ ...context, program, suite });
  const finding = casesFinding(suite, codeHash(program.code), reports);
  // A script's run without arguments is no run of it.
  if (finding.status !== 'passed' || program.runtime === 'bash') return finding;
  const run = await runProgram(program, context);
  if (run.kind === 'error') return { ...finding, details: { ...finding.details, run: run.code } };
  const counted = { tests_passed: suite.cases.length, tests_total: suite.cases.length };
  const execution = run.execution && { ...run.execution, ...counted };
  const details = { ...finding.details, run: run.kind === 'passed' ? 'exit code 0' : run.message, execution };
  const level = lowest([finding.level ?? null, run.level]);
  if (run.kind === 'failed') return { ...finding, details };
  return { ...finding, details, level, grants: [...(finding.grants ?? []), 'EXECUTED_EXIT_0'] };
}

/** Counts of all programs that bring tests; undefined when none does. */
async function ownTestsOf(programs: readonly Program[], context: Context): Promise<OwnTests | undefined> {
  let sum: Extract<OwnTests, { kind: 'counted' }> | undefined;
  for (const program of programs) {
    const one = await runOwnTests(program, context);
    if (one === undefined) continue;
    if (one.kind !== 'counted') return one;
    const before = sum?.counts ?? { passed: 0, total: 0 };
    const counts = {
      tool: one.counts.tool,
      passed: before.passed + one.counts.passed,
      total: before.total + one.counts.total,
    };
    sum = { kind: 'counted', level: lowest([sum?.level ?? null, one.level]), counts };
  }
  return sum;
}

/** What the answer's own tests add to a finding that passed. */
function withOwnTests(finding: Finding, tests: OwnTests | undefined, config: RuntimeConfig): Finding {
  if (tests === undefined) {
    if (!config.require_tests) return finding;
    return { ...finding, status: 'failed', message: 'the answer brings no tests', code: 'TESTS_MISSING', grants: [] };
  }
  const needed = config.require_tests || config.min_test_coverage > 0;
  if (tests.kind === 'error') {
    const details = { ...finding.details, self_tests: tests.code };
    if (!needed) return { ...finding, details };
    return { ...finding, status: 'error', message: tests.message, code: tests.code, details, grants: [] };
  }
  const counts = tests.kind === 'counted' ? tests.counts : { tool: null, passed: 0, total: 0 };
  const level: SandboxLevel | null = lowest([finding.level ?? null, tests.level]);
  const details = { ...finding.details, self_tests: counts };
  const share = counts.total === 0 ? 0 : counts.passed / counts.total;
  if (needed && (counts.total === 0 || share < config.min_test_coverage)) {
    const message = tests.kind === 'failed' ? tests.message : `${counts.passed} of ${counts.total} of its tests pass`;
    return { ...finding, status: 'failed', message, code: 'TESTS_FAILED', details, level, grants: [] };
  }
  const allPass = counts.total > 0 && counts.passed === counts.total;
  const grants: readonly string[] = [...(finding.grants ?? []), ...(allPass ? ['SELF_TESTS_PASSED'] : [])];
  return { ...finding, details, level, grants };
}

/** A program cannot fail where its interpreter is not: asked when one failed, at the level that it ran at. */
async function missingTool(
  programs: readonly Program[],
  { level, details }: Finding,
  { runner }: Context,
): Promise<Finding | undefined> {
  const report = (await runner.levels()).find((one) => one.level === level);
  const missing = programs.find(({ runtime }) => report !== undefined && report.tools[runtime] === undefined)?.runtime;
  if (missing === undefined) return undefined;
  const message = `the sandbox has no ${missing}`;
  return { status: 'error', message, details: { grade: details['grade'], tool: missing }, code: 'TOOL_MISSING' };
}

async function verify(candidate: Candidate, context: Context): Promise<Finding> {
  const { suite, config } = context;
  const programs = programsOf(candidate, suite);
  const [only] = programs;
  if (only === undefined) return nothing(suite);
  const decides = suite !== undefined && hiddenCases(suite) >= hiddenCasesLeast;
  const graded = decides ? await gradeIo(only, suite, context) : await gradeRun(programs, context);
  const lint = programs.flatMap(({ runtime, code }) => denyListNotes(runtime, code));
  const limits = shownLimits(config);
  const few = suite !== undefined && !decides ? { note: 'the suite has fewer than 2 hidden cases' } : {};
  const finding: Finding = { ...graded, details: { ...graded.details, ...few, limits, lint } };
  if (finding.status === 'failed') return (await missingTool(programs, finding, context)) ?? finding;
  if (finding.status !== 'passed') return finding;
  return withOwnTests(finding, await ownTestsOf(programs, context), config);
}

export const runtimeVerifier: Verifier<RuntimeConfig> = {
  name: 'runtime_verifier',
  version: '1.0.0',
  description: 'runs the code of the answer in a sandbox: hidden cases, exit code, its own tests',
  class: 3,
  minLevel: runtimeMinLevel,
  hard: true,
  configSchema: runtimeConfigSchema,
  verify,
};
