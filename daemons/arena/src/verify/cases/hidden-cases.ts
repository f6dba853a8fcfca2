/**
 * The `io` grade (verification V19): every case in a sandbox of its own, in shuffled order, a few side by side. The host
 * holds what is expected and compares. The first case that does not hold ends the answer's run.
 *
 * A sandbox for each case costs a start (17 ms) where a fork would cost one; it leaves nothing that a case could find of
 * another: no file, process, pipe or memory.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { Json } from '@labmesh/attest/json/canonical-json';
import type { SandboxLevel, SandboxResult, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { Suite } from '@labmesh/wire/verification/suite';
import { caseJob, inputOf } from './case-job.ts';
import { compareValues } from './compare-values.ts';
import { jobExit } from '../programs/job-exit.ts';
import type { Program } from '../programs/program.ts';
import { type CaseFault, readAnswer, readOutput } from './read-answer.ts';
import { type RuntimeConfig, runtimeMinLevel } from '../programs/runtime-config.ts';

export type CaseReport =
  | { kind: 'held'; index: number; level: SandboxLevel | null }
  /** `text`: what the program said of it; hostile, may hold the input. */
  | { kind: 'failed'; index: number; level: SandboxLevel | null; code: string; why: string; text: string }
  | { kind: 'error'; index: number; code: string; message: string };

const faults: Readonly<Record<CaseFault, { code: string; why: string }>> = {
  no_result: { code: 'NO_RESULT', why: 'the program ended without a result' },
  forged: { code: 'RESULT_FORGED', why: 'something else than one result came out' },
  load: { code: 'PROGRAM_FAILED', why: 'the program fails before its function can be called' },
  no_entry: { code: 'NO_ENTRY', why: 'the function that was asked for is not defined' },
  raised: { code: 'EXCEPTION', why: 'the function raises an exception' },
  not_plain: { code: 'NO_PLAIN_RESULT', why: 'the result is no plain data' },
};

function judge(suite: Suite, index: number, nonce: string, result: SandboxResult): CaseReport {
  const { level } = result;
  const exit = jobExit(result, runtimeMinLevel);
  if (exit.kind === 'error') return { kind: 'error', index, code: exit.code, message: exit.message };
  const failed = (code: string, why: string, text = ''): CaseReport => ({
    kind: 'failed',
    index,
    level,
    code,
    why,
    text,
  });
  if (exit.kind === 'limit') return failed(exit.code, exit.message);
  const expect = (suite.cases[index]?.expect ?? null) as Json;
  const answer = suite.language === 'bash' ? readOutput(result.stdout, expect) : readAnswer(result.stdout, nonce);
  if ('fault' in answer) return failed(faults[answer.fault].code, faults[answer.fault].why, answer.text);
  return compareValues(expect, answer.value, suite.compare)
    ? { kind: 'held', index, level }
    : failed('WRONG_RESULT', 'the result is wrong');
}

const tooLong = ({ index, level }: Extract<CaseReport, { kind: 'held' }>): CaseReport => {
  const why = 'all cases together take longer than they may';
  return { kind: 'failed', index, level, code: 'TIME_LIMIT', why, text: '' };
};

/** Fisher-Yates with numbers nobody can foresee. */
export function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let at = count - 1; at > 0; at--) {
    const other = randomInt(at + 1);
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
  return order;
}

export type CasesAsk = {
  program: Program;
  suite: Suite;
  config: RuntimeConfig;
  runner: SandboxRunner;
  signal: AbortSignal;
};

/**
 * One report for each case that ran to its end. All held, or one did not and the rest may be missing.
 * @throws what the runner rejects with (the executor is away), the signal's reason.
 */
export async function runCases({ program, suite, config, runner, signal }: CasesAsk): Promise<CaseReport[]> {
  const order = shuffled(suite.cases.length);
  const reports: CaseReport[] = [];
  // What the answer took, not what it waited for.
  let spentMs = 0;
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const runOne = async (index: number) => {
    const nonce = randomBytes(16).toString('hex');
    const result = await runner.run(caseJob(program, inputOf(suite, index, nonce), config), both);
    spentMs += result.usage.wallMs;
    const report = judge(suite, index, nonce, result);
    reports.push(report.kind === 'held' && spentMs > config.cases_timeout_s * 1000 ? tooLong(report) : report);
    if (reports.at(-1)?.kind !== 'held') stop.abort();
  };
  const lane = async () => {
    for (let index = order.pop(); index !== undefined && !both.aborted; index = order.pop()) await runOne(index);
  };
  let broken: { error: unknown } | undefined;
  const lanes = Array.from({ length: Math.min(config.parallel_cases, order.length) }, () =>
    lane().catch((error: unknown) => {
      // After the first reason to stop the others are only ended.
      if (!both.aborted) broken = { error };
      stop.abort();
    }),
  );
  await Promise.all(lanes);
  signal.throwIfAborted();
  if (broken !== undefined && !reports.some(({ kind }) => kind === 'failed')) throw broken.error;
  return reports.toSorted((a, b) => a.index - b.index);
}
