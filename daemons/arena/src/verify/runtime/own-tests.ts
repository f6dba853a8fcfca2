/**
 * The `suite` grade: the answer's own tests. The program that is tested and its tests share a process, so a count here
 * is the answer's own word, and is never counted as correctness (V14).
 */
import { randomBytes } from 'node:crypto';
import { junitCounts } from '@labmesh/wire/verification/junit-counts';
import type { SandboxJobInput, SandboxLevel, SandboxResult } from '@labmesh/wire/verification/sandbox';
import { z } from 'zod';
import { base64, jobFiles, junitReport, startBunTest, startPython } from '../programs/interpreters.ts';
import { jobExit } from '../programs/job-exit.ts';
import { pythonTests } from './python-tests.ts';
import type { Program } from '../programs/program.ts';
import { readAnswer } from '../cases/read-answer.ts';
import { jobLimits, runtimeMinLevel, type RunAsk } from '../programs/runtime-config.ts';

export type TestCounts = { tool: string; passed: number; total: number };
export type OwnTests =
  | { kind: 'counted'; level: SandboxLevel | null; counts: TestCounts }
  | { kind: 'failed'; level: SandboxLevel | null; code: string; message: string }
  | { kind: 'error'; code: string; message: string };

const countsSchema = z
  .object({ tool: z.enum(['pytest', 'unittest']), passed: z.int().min(0), total: z.int().min(0) })
  .refine(({ passed, total }) => passed <= total);

const collected = (result: SandboxResult, path: string) => {
  const file = result.files.find((one) => one.path === path);
  return file === undefined ? '' : Buffer.from(file.content, 'base64').toString('utf8');
};

function testJob(program: Program, code: string, nonce: string): Omit<SandboxJobInput, 'limits' | 'minLevel'> {
  if (program.runtime === 'python') {
    return {
      ...startPython('tests.py'),
      files: jobFiles([
        { path: 'tests.py', content: pythonTests },
        { path: 'answer.py', content: code },
      ]),
      stdin: base64(nonce),
    };
  }
  const file = program.file.replace(/^answer\./, 'answer.test.');
  return {
    ...startBunTest(file),
    files: jobFiles([{ path: file, content: code }]),
    collect: [junitReport],
  };
}

function countsOf(program: Program, result: SandboxResult, nonce: string): TestCounts | undefined {
  if (program.runtime !== 'python') {
    const counts = junitCounts(collected(result, junitReport));
    return counts && { tool: 'bun', passed: counts.passed, total: counts.total };
  }
  const answer = readAnswer(result.stdout, nonce);
  return 'value' in answer ? countsSchema.safeParse(answer.value).data : undefined;
}

/** Undefined when the program brings no tests. @throws what the runner rejects with. */
export async function runOwnTests(program: Program, { config, runner, signal }: RunAsk): Promise<OwnTests | undefined> {
  const code = program.withTests;
  if (code === undefined || program.runtime === 'bash') return undefined;
  const nonce = randomBytes(16).toString('hex');
  const job = { ...testJob(program, code, nonce), minLevel: runtimeMinLevel, limits: jobLimits(config) };
  const result = await runner.run(job, signal);
  const { level } = result;
  const exit = jobExit(result, runtimeMinLevel);
  if (exit.kind === 'error') return exit;
  if (exit.kind === 'limit') return { kind: 'failed', level, code: exit.code, message: `its tests: ${exit.message}` };
  const counts = countsOf(program, result, nonce);
  if (counts === undefined)
    return { kind: 'failed', level, code: 'NO_RESULT', message: 'its tests do not come to an end' };
  return { kind: 'counted', level, counts };
}
