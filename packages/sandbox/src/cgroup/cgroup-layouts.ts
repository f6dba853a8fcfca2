/** The files of the two versions of cgroups (kernel: admin-guide/cgroup-v1, cgroup-v2). */
import { type CgroupLayout, counter, readOr } from './cgroup.ts';

const periodUs = 100_000;
const numberOr = (text: string) => (/^\d+\s*$/.test(text) ? Number(text) : null);

export type V1Folders = { memory: string; pids: string; cpu: string; cpuacct: string | undefined };

/** A tree for each controller, some of which may be one. */
export function v1Layout(folders: V1Folders): CgroupLayout {
  const base = (controller: string) => folders[controller as keyof V1Folders] ?? '';
  return {
    version: 'v1',
    folders: [...new Set(Object.values(folders).filter((folder) => folder !== undefined))],
    base,
    settings: (folder, { memoryBytes, pids, cpus }) => [
      { path: `${folder('memory')}/memory.limit_in_bytes`, value: String(memoryBytes) },
      // Only there when the kernel counts swap; after the other, which it may not be below.
      { path: `${folder('memory')}/memory.memsw.limit_in_bytes`, value: String(memoryBytes), ifThere: true },
      { path: `${folder('pids')}/pids.max`, value: String(pids) },
      { path: `${folder('cpu')}/cpu.cfs_period_us`, value: String(periodUs) },
      { path: `${folder('cpu')}/cpu.cfs_quota_us`, value: String(Math.round(periodUs * cpus)) },
    ],
    heldBytes: (folder) => numberOr(readOr(`${folder('memory')}/memory.usage_in_bytes`)) ?? 0,
    peakReset: (folder) => `${folder('memory')}/memory.max_usage_in_bytes`,
    usage: (folder) => {
      const cpuNs = folders.cpuacct === undefined ? null : numberOr(readOr(`${folder('cpuacct')}/cpuacct.usage`));
      return {
        cpuMs: cpuNs === null ? null : cpuNs / 1e6,
        peakBytes: numberOr(readOr(`${folder('memory')}/memory.max_usage_in_bytes`)),
        oomKills: counter(readOr(`${folder('memory')}/memory.oom_control`), 'oom_kill'),
        forksRefused: counter(readOr(`${folder('pids')}/pids.events`), 'max'),
      };
    },
  };
}

/** One tree; `folder` is ours, with the controllers switched on for what is below it. */
export function v2Layout(folder: string): CgroupLayout {
  return {
    version: 'v2',
    folders: [folder],
    base: () => folder,
    settings: (own, { memoryBytes, pids, cpus }) => [
      { path: `${own('')}/memory.max`, value: String(memoryBytes) },
      { path: `${own('')}/memory.swap.max`, value: '0', ifThere: true },
      { path: `${own('')}/memory.oom.group`, value: '1' },
      { path: `${own('')}/pids.max`, value: String(pids) },
      { path: `${own('')}/cpu.max`, value: `${Math.round(periodUs * cpus)} ${periodUs}` },
    ],
    heldBytes: (own) => numberOr(readOr(`${own('')}/memory.current`)) ?? 0,
    peakReset: undefined,
    usage: (own) => ({
      cpuMs: counter(readOr(`${own('')}/cpu.stat`), 'usage_usec') / 1000,
      peakBytes: numberOr(readOr(`${own('')}/memory.peak`)),
      oomKills: counter(readOr(`${own('')}/memory.events`), 'oom_kill'),
      forksRefused: counter(readOr(`${own('')}/pids.events`), 'max'),
    }),
  };
}
