/**
 * What an exit says (verification SB3): whether the program ended by itself, the candidate broke a limit (its fault), or
 * nothing was learned (ours).
 */
import { compareLevels, type SandboxLevel, type SandboxResult } from '@labmesh/wire/verification/sandbox';

export type JobExit =
  /** By itself, whatever its exit code; also by a signal. */
  | { kind: 'ended' }
  | { kind: 'limit'; code: string; message: string }
  | { kind: 'error'; code: string; message: string };

const limits = {
  wall: ['TIME_LIMIT', 'ran longer than it may'],
  cpu: ['CPU_LIMIT', 'used more processor time than it may'],
  oom: ['MEMORY_LIMIT', 'used more memory than it may'],
  pids: ['PROCESS_LIMIT', 'started more processes than it may'],
  output: ['OUTPUT_LIMIT', 'wrote more output than it may'],
  disk: ['DISK_LIMIT', 'wrote larger files than it may'],
} as const;

export function jobExit(result: SandboxResult, minLevel: SandboxLevel): JobExit {
  const { exit, level, error } = result;
  if (exit === 'refused' || exit === 'sandbox_error') {
    const code = error?.code ?? 'SANDBOX_ERROR';
    return { kind: 'error', code, message: `the sandbox did not run it (${code})` };
  }
  // An executor that says ok at a level nobody asked for is not believed (SB1: never a lower one).
  if (level === null || compareLevels(level, minLevel) < 0) {
    return { kind: 'error', code: 'LEVEL_UNAVAILABLE', message: `it did not run at ${minLevel} or above` };
  }
  if (exit === 'ok' || exit === 'nonzero' || exit === 'signal') return { kind: 'ended' };
  const [code, message] = limits[exit];
  return { kind: 'limit', code, message: `it ${message}` };
}

/** How a program that ended by itself ended, for people: `exit code 1`, `SIGSEGV`. */
export const endText = ({ code, signal }: Pick<SandboxResult, 'code' | 'signal'>): string =>
  signal ?? `exit code ${code ?? 'unknown'}`;
