/**
 * The first process of a sandbox, by its number on the host. bwrap's own tie between the two processes (PDEATHSIG) is
 * only made some time after the start: who ends a sandbox ends both.
 */
import { readdirSync } from 'node:fs';
import { readOr } from '../cgroup/cgroup.ts';

const field = (status: string, name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';

/**
 * True while the process lives and is what it was: numbers are given out again. `uid` is that of the sandbox. A process
 * that has ended but that nobody has asked for yet counts as gone: by then the kernel has ended all in its namespace.
 */
export function isInit(pid: number, uid: number): boolean {
  const status = readOr(`/proc/${pid}/status`);
  const numbers = field(status, 'NSpid').split(/\s+/);
  const isFirst = numbers.length > 1 && numbers.at(-1) === '1';
  return isFirst && field(status, 'Uid').startsWith(`${uid}\t`) && !/^[ZX]/.test(field(status, 'State'));
}

export function killInit(pid: number, uid: number): void {
  if (!isInit(pid, uid)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {}
}

const uidOf = (pid: string) => Number(field(readOr(`/proc/${pid}/status`), 'Uid').split('\t')[0] || -1);

/**
 * Ends sandboxes whose bwrap is gone: of an executor that was killed, or one that was ended before it told of its init.
 * `isOurs` tells the uids that are for sandboxes. A living bwrap has its init's uid; who adopts orphans has another.
 */
export function sweepInits(isOurs: (uid: number) => boolean): void {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const uid = uidOf(name);
    if (!isOurs(uid)) continue;
    const parent = field(readOr(`/proc/${name}/status`), 'PPid');
    if (uidOf(parent) !== uid) killInit(Number(name), uid);
  }
}
