/**
 * The two grades of runtime_verifier: `run` asks only for an exit code, which a program that does nothing gives too; `io`
 * asks for what hidden cases expect. What was seen is hashed, so that a certificate can name it without holding it.
 */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Finding, VerifierContext } from '../../contract/verifier.ts';
import { casesFinding } from '../cases/cases-finding.ts';
import { runCases } from '../cases/hidden-cases.ts';
import { lowest } from '../programs/lowest.ts';
import type { Program } from '../programs/program.ts';
import type { RuntimeConfig } from '../programs/runtime-config.ts';
import { codeHash, type Execution, type ProgramRun, runProgram } from './run-program.ts';

export type RuntimeContext = VerifierContext<RuntimeConfig>;

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
export async function gradeRun(programs: readonly Program[], context: RuntimeContext): Promise<Finding> {
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
export async function gradeIo(
  program: Program,
  suite: NonNullable<RuntimeContext['suite']>,
  context: RuntimeContext,
): Promise<Finding> {
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
