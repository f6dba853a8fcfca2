import { readdirSync, readFileSync } from 'node:fs';
import { parseStat, tickUs } from '../process-tree.ts';

/**
 * CPU (user + sys) of a process so far, ms: its first thread, its workers, and all of it with garbage collection;
 * `mainWaitedMs`: how long the first thread could run and the machine ran something else.
 */
export type ThreadCpu = { mainMs: number; mainWaitedMs: number; workersMs: number; allMs: number };

const statOf = (path: string) => readFileSync(`/proc/${path}/stat`, 'utf8');
/** Its second number, nanoseconds (proc(5) has none of it; sched-stats of the kernel's documentation has). */
const waitedMs = (path: string) => Number(readFileSync(`/proc/${path}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
const msOf = (stat: string) => (parseStat(stat).cpuTicks * tickUs) / 1_000;

/** @throws ENOENT when there is no such process */
export function threadCpu(pid: number): ThreadCpu {
  const workers = readdirSync(`/proc/${pid}/task`)
    .map((task) => statOf(`${pid}/task/${task}`))
    // The runtime's name for a thread that runs JavaScript.
    .filter((stat) => stat.includes('(Worker)'));
  return {
    mainMs: msOf(statOf(`${pid}/task/${pid}`)),
    mainWaitedMs: waitedMs(`${pid}/task/${pid}`),
    workersMs: workers.reduce((sum, stat) => sum + msOf(stat), 0),
    allMs: msOf(statOf(String(pid))),
  };
}

export const spentSince = (now: ThreadCpu, before: ThreadCpu): ThreadCpu => ({
  mainMs: now.mainMs - before.mainMs,
  mainWaitedMs: now.mainWaitedMs - before.mainWaitedMs,
  workersMs: now.workersMs - before.workersMs,
  allMs: now.allMs - before.allMs,
});
