/** How a sandboxed program ended, as an exit code. */
import { constants } from 'node:os';
import type { SandboxResult } from '@labmesh/wire/verification/sandbox';
import { exitCodes } from '../exit-codes.ts';

const signals: Readonly<Record<string, number>> = constants.signals;
const signalBase = 128;

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
