/** How a sandboxed program ended, as an exit code and in words. */
import { constants } from 'node:os';
import type { SandboxResult } from '@labmesh/wire/verification/sandbox';
import { exitCodes } from '../exit-codes.ts';

const signals: Readonly<Record<string, number>> = constants.signals;
const signalBase = 128;
const mib = 1024 * 1024;
const seconds = (ms: number) => `${ms / 1000} s`;

/**
 * The program's own code; 128 + n for a signal, 124 when its time was up, 137 when another limit ended it, 125 when
 * nothing was learned of it.
 */
export function runExitCode({ exit, code, signal }: SandboxResult): number {
  if (exit === 'ok') return 0;
  if (exit === 'nonzero') return code ?? exitCodes.failed;
  if (exit === 'signal') return signalBase + (signals[signal ?? ''] ?? 0);
  if (exit === 'wall' || exit === 'cpu') return exitCodes.execTimeout;
  if (exit === 'refused' || exit === 'sandbox_error') return exitCodes.sandboxFailed;
  return signalBase + constants.signals.SIGKILL;
}

/** A line that tells why it ended, '' when it ended by itself. */
export function runEndText({ exit, signal, limits, error, truncated }: SandboxResult): string {
  const texts: Record<SandboxResult['exit'], string> = {
    ok: truncated ? `its output was cut at ${limits.outputBytes} bytes` : '',
    nonzero: truncated ? `its output was cut at ${limits.outputBytes} bytes` : '',
    signal: `ended by ${signal ?? 'a signal'}`,
    wall: `ended: longer than ${seconds(limits.wallMs)}`,
    cpu: `ended: more than ${seconds(limits.cpuMs)} of CPU time`,
    oom: `ended: more than ${limits.memoryBytes / mib} MiB of memory`,
    pids: `ended: more than ${limits.pids} processes or threads`,
    output: `ended: more than ${limits.outputBytes} bytes of output`,
    disk: `ended: more than ${limits.tmpBytes / mib} MiB of files`,
    refused: `not run: ${error?.message ?? 'refused'} (${error?.code ?? 'unknown'})`,
    sandbox_error: `the sandbox failed, nothing was learned: ${error?.message ?? ''} (${error?.code ?? 'unknown'})`,
  };
  return texts[exit];
}
