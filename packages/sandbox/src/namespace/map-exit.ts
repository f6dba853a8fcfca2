/** Which end of a sandbox means what (verification SB3). */
import { constants } from 'node:os';
import type { SandboxLimits, SandboxResult } from '@labmesh/wire/verification/sandbox';
import type { CgroupUsage } from '../cgroup/cgroup.ts';

/** Why we ended it; undefined when it ended by itself. */
export type KillReason = 'wall' | 'cpu' | 'output';

export type SeenEnd = {
  killed: KillReason | undefined;
  /** As bwrap tells it: 128 + N for signal N; undefined when the program was never started. */
  status: number | undefined;
  usage: CgroupUsage | undefined;
  isTmpFull: boolean;
  limits: Pick<SandboxLimits, 'cpuMs'>;
};
export type MappedExit = Pick<SandboxResult, 'exit' | 'code' | 'signal'>;

const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

const bySignal = (signal: string, { usage, limits, isTmpFull }: SeenEnd): SandboxResult['exit'] => {
  if (signal === 'SIGXCPU') return 'cpu';
  // The hard limit of CPU time kills, and so does the kernel's end of a sandbox: told apart by what was used.
  if (signal === 'SIGKILL' && (usage?.cpuMs ?? 0) >= limits.cpuMs) return 'cpu';
  if (signal === 'SIGXFSZ' || (signal === 'SIGBUS' && isTmpFull)) return 'disk';
  return (usage?.forksRefused ?? 0) > 0 ? 'pids' : 'signal';
};

/** Undefined: it was not started, and nobody of the job's doing ended it. */
export function mapExit(end: SeenEnd): MappedExit | undefined {
  const { killed, status, usage, isTmpFull } = end;
  const none = { code: null, signal: null };
  if (killed !== undefined) return { exit: killed, ...none };
  const signal = status === undefined || status <= 128 ? undefined : signalNames.get(status - 128);
  const told = signal === undefined ? { code: status ?? null, signal: null } : { code: null, signal };
  // Whatever the rest made of it: cgroup v2 kills all at once, and v1 is to mean the same.
  if ((usage?.oomKills ?? 0) > 0) return { exit: 'oom', ...told };
  if (status === undefined) return undefined;
  if (status === 0) return { exit: 'ok', ...told };
  if (signal !== undefined) return { exit: bySignal(signal, end), ...told };
  if ((usage?.forksRefused ?? 0) > 0) return { exit: 'pids', ...told };
  return { exit: isTmpFull ? 'disk' : 'nonzero', ...told };
}
