/**
 * bwrap is two processes: one that waits, and the init of the sandbox. When the first is killed in the moment after it
 * made the second, the second waits for it for ever: it has not asked yet to die with its parent. It runs nothing of a
 * job, but it is there. So do executors that were killed leave one behind. It is known by its uid, which is of sandboxes
 * alone, by being the init of a namespace, and by a parent that has another uid: the bwrap that waits has the same.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Uids of one executor (verification SB5). */
const uidCount = 1_024;

type Status = { pid: number; parent: number; uid: number; isInit: boolean };
/** Dead already, and only waiting for somebody to take notice. */
const isZombie = (state: string | undefined) => /^[ZX]/.test(state ?? '');

/** The fields of /proc/PID/status that count; undefined when the process is gone, or as good as. */
function readStatus(procDir: string, pid: string): Status | undefined {
  try {
    const text = readFileSync(join(procDir, pid, 'status'), 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\t(.*)$`, 'm').exec(text)?.[1]?.split('\t') ?? [];
    const inNamespaces = field('NSpid');
    if (isZombie(field('State')[0])) return undefined;
    const isInit = inNamespaces.length > 1 && inNamespaces.at(-1) === '1';
    return { pid: Number(pid), parent: Number(field('PPid')[0]), uid: Number(field('Uid')[0]), isInit };
  } catch {
    return undefined;
  }
}

/** Inits of sandboxes whose bwrap is gone, by pid. */
export function findOrphans(uidBase: number, procDir = '/proc'): number[] {
  const pids = readdirSync(procDir).filter((name) => /^\d+$/.test(name));
  const all = new Map(pids.flatMap((pid) => readStatus(procDir, pid) ?? []).map((one) => [one.pid, one]));
  const isOurs = ({ uid }: Status) => uid >= uidBase && uid < uidBase + uidCount;
  return [...all.values()]
    .filter((one) => one.isInit && isOurs(one) && all.get(one.parent)?.uid !== one.uid)
    .map(({ pid }) => pid);
}

/** Kills them, and with each its namespace; gives how many. Without root sandboxes have our own uid: none is known then. */
export function sweepOrphans(uidBase: number): number {
  if (process.getuid?.() !== 0) return 0;
  const orphans = findOrphans(uidBase);
  for (const pid of orphans) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It went by itself meanwhile.
    }
  }
  return orphans.length;
}
