import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU and memory of a process and all its descendants, from /proc. A target may be a launcher that spawns the real
 * server (`labctl`, an nginx master), so a single pid would measure the wrong thing.
 *
 * CPU sums utime + stime + cutime + cstime: a child that ends and is waited for moves into its parent's c-fields, so the
 * sum over the tree never goes back while the root lives. Resolution is one clock tick (10 ms at USER_HZ 100).
 */
export type TreeUsage = { pids: number[]; cpuUs: number; rssBytes: number };

/** USER_HZ is 100 on every Linux ABI that Bun runs on. */
export const tickUs = 10_000;
const pageBytes = 4096;

/** One line of /proc/PID/stat. `cpuTicks` includes waited-for children. */
export type ProcessStat = { pid: number; parent: number; cpuTicks: number; rssPages: number };

/** Parses /proc/PID/stat (proc(5)); the command field may hold spaces and parentheses, so it is cut at the last `)`. */
export function parseStat(text: string): ProcessStat {
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0] = fields;
  const cpuTicks = fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0);
  return { pid: Number.parseInt(text, 10), parent, cpuTicks, rssPages: fields[21] ?? 0 };
}

function readStat(pid: string): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined; // gone between the listing and the read
  }
}

/** Every process there is. */
export function readStats(): ProcessStat[] {
  const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return names.map(readStat).filter((stat) => stat !== undefined);
}

/** Usage of `root` and its descendants in `stats`, root first; zeros when `root` is gone. */
export function sumTree(root: number, stats: readonly ProcessStat[]): TreeUsage {
  const usage: TreeUsage = { pids: [], cpuUs: 0, rssBytes: 0 };
  const byPid = new Map(stats.map((stat) => [stat.pid, stat]));
  const queue = [root];
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    const stat = byPid.get(pid);
    if (stat === undefined) continue;
    usage.pids.push(pid);
    usage.cpuUs += stat.cpuTicks * tickUs;
    usage.rssBytes += stat.rssPages * pageBytes;
    for (const child of stats) if (child.parent === pid) queue.push(child.pid);
  }
  return usage;
}
