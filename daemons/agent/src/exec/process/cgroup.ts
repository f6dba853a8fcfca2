/**
 * A cgroup v2 leaf for each command, where systemd delegated the unit's subtree (EX-2, AG-11): the agent's memory bound
 * does not hit commands, and the end of a command reaches processes that left its group.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';

export interface Cgroups {
  /** Makes a leaf; its path is what a spawn takes. Undefined where that failed: the command then runs without. */
  make(session: string): string | undefined;
  /** Kills all that is in the leaf and removes it. */
  kill(leaf: string): Promise<void>;
  /** Removes the leaf when nothing is left in it. */
  remove(leaf: string): Promise<void>;
}

/** AG-11. */
const agentMemoryMax = '256M';
const removeTries = 40;
const removeEveryMs = 50;

/**
 * The cgroup of this unit when it is ours to divide: version 2, of a service, writable.
 * `files` are /proc/self/cgroup and /proc/self/mounts.
 */
export function delegatedRoot(
  files = { cgroup: '/proc/self/cgroup', mounts: '/proc/self/mounts' },
): string | undefined {
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  const own = /^0::(\/.*)$/m.exec(read(files.cgroup))?.[1];
  const mount = read(files.mounts)
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, , type]) => type === 'cgroup2')?.[1];
  // Nothing but a service's own cgroup: moving processes about elsewhere is not ours to do.
  return own === undefined || mount === undefined || !own.endsWith('.service') ? undefined : join(mount, own);
}

/** Moves this process into a leaf of its own below `root`, so that others may stand beside it. */
export function openCgroups(root: string, { clock, log }: { clock: Clock; log: Logger }): Cgroups | undefined {
  // A folder of another kind would take the files below as any other does.
  if (!existsSync(join(root, 'cgroup.procs'))) return undefined;
  try {
    const own = join(root, 'agent');
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'cgroup.procs'), String(process.pid));
    tryWrite(join(root, 'cgroup.subtree_control'), '+memory');
    tryWrite(join(own, 'memory.max'), agentMemoryMax);
  } catch (error) {
    log.debug('commands run without cgroups', { error });
    return undefined;
  }
  return cgroupsIn(root, { clock, log });
}

function tryWrite(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}

/** Kernels before 5.14 have no cgroup.kill. */
function killEach(leaf: string): void {
  for (const pid of readFileSync(join(leaf, 'cgroup.procs'), 'utf8').split('\n')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {}
  }
}

/** Leaves below `root`, which is ours. */
export function cgroupsIn(root: string, { clock, log }: { clock: Clock; log: Logger }): Cgroups {
  const isRemoved = (leaf: string) => {
    try {
      rmdirSync(leaf);
    } catch {}
    return !existsSync(leaf);
  };
  return {
    make: (session) => {
      const leaf = join(root, `exec-${session}`);
      try {
        mkdirSync(leaf);
        return leaf;
      } catch (error) {
        log.warn('a command runs without its cgroup', { error });
        return undefined;
      }
    },
    kill: async (leaf) => {
      // Killed processes leave a moment later, and one may have forked meanwhile.
      for (let round = 0; round < removeTries && !isRemoved(leaf); round++) {
        if (!tryWrite(join(leaf, 'cgroup.kill'), '1') && existsSync(leaf)) killEach(leaf);
        await clock.sleep(removeEveryMs);
      }
    },
    remove: async (leaf) => void isRemoved(leaf),
  };
}
