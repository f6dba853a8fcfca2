import { readdirSync, readFileSync } from 'node:fs';
import { parseStat, tickUs } from '../process-tree.ts';

/** CPU (user + sys) of a process so far, ms: its first thread, its workers, and all of it with garbage collection. */
export type ThreadCpu = { mainMs: number; workersMs: number; allMs: number };

const statOf = (path: string) => readFileSync(`/proc/${path}/stat`, 'utf8');
const msOf = (stat: string) => (parseStat(stat).cpuTicks * tickUs) / 1_000;

/** @throws ENOENT when there is no such process */
export function threadCpu(pid: number): ThreadCpu {
  const workers = readdirSync(`/proc/${pid}/task`)
    .map((task) => statOf(`${pid}/task/${task}`))
    // The runtime's name for a thread that runs JavaScript.
    .filter((stat) => stat.includes('(Worker)'));
  return {
    mainMs: msOf(statOf(`${pid}/task/${pid}`)),
    workersMs: workers.reduce((sum, stat) => sum + msOf(stat), 0),
    allMs: msOf(statOf(String(pid))),
  };
}

export const spentSince = (now: ThreadCpu, before: ThreadCpu): ThreadCpu => ({
  mainMs: now.mainMs - before.mainMs,
  workersMs: now.workersMs - before.workersMs,
  allMs: now.allMs - before.allMs,
});
