/** How a remote command ended, as an exit code and as a word (EX-4, EX-6). */
import { constants } from 'node:os';
import type { Exit } from '@labmesh/wire/frame/messages';
import { exitCodes } from '../exit-codes.ts';

const signalBase = 128;
const signalNumbers: Readonly<Record<string, number>> = constants.signals;

/** 0-255: the remote code, 128 + n for a signal, 124 for a time-out; 255 for an EXIT that tells none of them. */
export function exitStatus({ code, signal, timedOut }: Exit): number {
  if (timedOut) return exitCodes.execTimeout;
  if (signal !== null) {
    const number = signalNumbers[`SIG${signal}`];
    return number === undefined ? exitCodes.execFailed : signalBase + number;
  }
  return code === null || code < 0 || code > 255 ? exitCodes.execFailed : code;
}

/** `exit 2`, `KILL`, `timed out`. */
export function exitWord({ code, signal, timedOut }: Exit): string {
  if (timedOut) return 'timed out';
  return signal ?? `exit ${code ?? '?'}`;
}
