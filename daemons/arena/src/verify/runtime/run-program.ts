/** The `run` grade: the program by itself, without input, ends with exit code 0. */
import { sha256Hex } from '@labmesh/attest/sha256';
import type { SandboxJobInput, SandboxLevel, SandboxResult } from '@labmesh/wire/verification/sandbox';
import { jobFiles, startBash, startBun, startBunTest, startPython } from '../programs/interpreters.ts';
import { endText, jobExit } from '../programs/job-exit.ts';
import type { Program } from '../programs/program.ts';
import { jobLimits, type RunAsk, type RuntimeConfig, runtimeMinLevel } from '../programs/runtime-config.ts';

/** As certificates show it (BR3); hashes are SHA-256 in hex. */
export type Execution = {
  execution_id: string;
  code_hash: string;
  exit_code: number;
  stdout_hash: string;
  stderr_hash: string;
  execution_time_ms: number;
  tests_passed: number;
  tests_total: number;
  timestamp: string;
};

export type ProgramRun =
  | { kind: 'passed'; level: SandboxLevel | null; execution: Execution }
  /** `execution`: when it ended by itself. `stderr`: the end of it, hostile. */
  | {
      kind: 'failed';
      level: SandboxLevel | null;
      code: string;
      message: string;
      stderr: string;
      execution: Execution | undefined;
    }
  | { kind: 'error'; code: string; message: string };

const start = ({ runtime, file, onlyTests }: Program) => {
  if (runtime === 'python') return startPython(file);
  if (runtime === 'bash') return startBash(file);
  return onlyTests ? startBunTest(file) : startBun(file);
};

/** Bun finds tests by the name of their file. */
const testFile = (file: string) => file.replace(/^answer\./, 'answer.test.');

function runJob(program: Program, config: RuntimeConfig): SandboxJobInput {
  const testing = program.runtime === 'bun' && program.onlyTests;
  const named = testing ? { ...program, file: testFile(program.file) } : program;
  return {
    minLevel: runtimeMinLevel,
    limits: jobLimits(config),
    ...start(named),
    files: jobFiles([{ path: named.file, content: named.code }]),
  };
}

const hashOf = (base64: string) => sha256Hex(Buffer.from(base64, 'base64'));
export const codeHash = (code: string) => sha256Hex(new TextEncoder().encode(code));

/** The end of what it printed, for whoever mends it: no case is in a run, so nothing hidden can be told. */
const tail = (base64: string) => Buffer.from(base64, 'base64').toString('utf8').slice(-500).toWellFormed();

function executionOf(code: string, result: SandboxResult): Execution {
  return {
    execution_id: result.id,
    code_hash: codeHash(code),
    exit_code: result.code ?? -1,
    stdout_hash: hashOf(result.stdout),
    stderr_hash: hashOf(result.stderr),
    execution_time_ms: result.usage.wallMs,
    tests_passed: 0,
    tests_total: 0,
    timestamp: new Date().toISOString(),
  };
}

/** @throws what the runner rejects with. */
export async function runProgram(program: Program, { config, runner, signal }: RunAsk): Promise<ProgramRun> {
  const result = await runner.run(runJob(program, config), signal);
  const { level } = result;
  const exit = jobExit(result, runtimeMinLevel);
  if (exit.kind === 'error') return exit;
  const stderr = tail(result.stderr);
  if (exit.kind === 'limit') {
    return { kind: 'failed', level, code: exit.code, message: exit.message, stderr, execution: undefined };
  }
  const execution = executionOf(program.code, result);
  if (result.exit === 'ok') return { kind: 'passed', level, execution };
  const message = `it ended with ${endText(result)}`;
  return { kind: 'failed', level, code: 'EXIT_NONZERO', message, stderr, execution };
}
