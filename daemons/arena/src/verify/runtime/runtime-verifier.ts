/**
 * runtime_verifier (verification V14): runs what the answer's code blocks are. With a suite of at least two hidden cases
 * the grade is `io`: the cases decide, and the program's own exit code only says whether EXECUTED_EXIT_0 may be claimed.
 * Without one the grade is `run`. The answer's own tests come on top and stand for nothing but themselves.
 */
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, Verifier } from '../../contract/verifier.ts';
import { hiddenCases } from '../../suites/parse-suite.ts';
import { denyListNotes } from '../programs/deny-list.ts';
import { type Program, programsOf } from '../programs/program.ts';
import { type RuntimeConfig, runtimeConfigSchema, runtimeMinLevel, shownLimits } from '../programs/runtime-config.ts';
import { gradeIo, gradeRun, type RuntimeContext } from './grades.ts';
import { ownTestsOf, withOwnTests } from './own-tests-finding.ts';

/** With fewer a lucky constant could hold them all: the suite decides nothing (V19). */
const hiddenCasesLeast = 2;

const nothing = (candidate: RuntimeContext['suite']): Finding =>
  candidate === undefined
    ? { status: 'skipped', message: 'the answer has no code that can be run', details: {}, code: 'NO_CODE' }
    : { status: 'failed', message: `the answer has no ${candidate.language} code`, details: {}, code: 'NO_CODE' };

/** A program cannot fail where its interpreter is not: asked when one failed, at the level that it ran at. */
async function missingTool(
  programs: readonly Program[],
  { level, details }: Finding,
  { runner }: RuntimeContext,
): Promise<Finding | undefined> {
  const report = (await runner.levels()).find((one) => one.level === level);
  const missing = programs.find(({ runtime }) => report !== undefined && report.tools[runtime] === undefined)?.runtime;
  if (missing === undefined) return undefined;
  const message = `the sandbox has no ${missing}`;
  return { status: 'error', message, details: { grade: details['grade'], tool: missing }, code: 'TOOL_MISSING' };
}

async function verify(candidate: Candidate, context: RuntimeContext): Promise<Finding> {
  const { suite, config } = context;
  const programs = programsOf(candidate, suite);
  const [only] = programs;
  if (only === undefined) return nothing(suite);
  const decides = suite !== undefined && hiddenCases(suite) >= hiddenCasesLeast;
  const graded = decides ? await gradeIo(only, suite, context) : await gradeRun(programs, context);
  const lint = programs.flatMap(({ runtime, code }) => denyListNotes(runtime, code));
  const limits = shownLimits(config);
  const few = suite !== undefined && !decides ? { note: 'the suite has fewer than 2 hidden cases' } : {};
  // A reader has to know which block nobody looked at.
  const leftOut = programs.flatMap((one) => one.leftOut);
  const left = leftOut.length === 0 ? {} : { left_out: leftOut };
  const finding: Finding = { ...graded, details: { ...graded.details, ...few, ...left, limits, lint } };
  if (finding.status === 'failed') return (await missingTool(programs, finding, context)) ?? finding;
  if (finding.status !== 'passed') return finding;
  return withOwnTests(finding, await ownTestsOf(programs, context), config);
}

export const runtimeVerifier: Verifier<RuntimeConfig> = {
  name: 'runtime_verifier',
  version: '1.1.0',
  description: 'runs the code of the answer in a sandbox: hidden cases, exit code, its own tests',
  class: 3,
  minLevel: runtimeMinLevel,
  hard: true,
  configSchema: runtimeConfigSchema,
  verify,
};
