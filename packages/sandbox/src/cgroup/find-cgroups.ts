/** Where this process stands in the cgroup trees; sandboxes get groups below that, never beside it. */

export type CgroupPlaces =
  | { kind: 'v1'; folders: { memory: string; pids: string; cpu: string; cpuacct: string | undefined } }
  | { kind: 'v2'; folder: string }
  | { kind: 'none'; reason: string };

type Mount = { root: string; point: string; type: string; options: string[] };

/** Octal escapes of proc(5): space, tab, newline, backslash. */
const unescape = (text: string) =>
  text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));

function mounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [left = '', right] = line.split(' - ');
    if (right === undefined) return [];
    const [, , , root = '', point = ''] = left.split(' ');
    const [type = '', , options = ''] = right.split(' ');
    return [{ root: unescape(root), point: unescape(point), type, options: options.split(',') }];
  });
}

/** The folder of `path` (as /proc/self/cgroup has it) under a mount that may show only a part of the tree. */
function folderOf({ root, point }: Mount, path: string): string | undefined {
  const prefix = root === '/' ? '' : root;
  if (path !== prefix && !path.startsWith(`${prefix}/`)) return undefined;
  // A process outside of its namespace's root sees `/..`: such a place is none of ours.
  if (path.split('/').includes('..')) return undefined;
  return `${point}${path.slice(prefix.length)}`.replace(/\/$/, '');
}

/** Reads /proc/self/cgroup and /proc/self/mountinfo, given as texts. */
export function findCgroups(cgroup: string, mountinfo: string): CgroupPlaces {
  const paths = new Map<string, string>();
  for (const line of cgroup.split('\n')) {
    const [, , controllers, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers?.split(',') ?? []) paths.set(controller, path ?? '');
  }
  const all = mounts(mountinfo);
  const v1 = (controller: string) => {
    const path = paths.get(controller);
    const mount = all.find(({ type, options }) => type === 'cgroup' && options.includes(controller));
    return path === undefined || mount === undefined ? undefined : folderOf(mount, path);
  };
  const [memory, pids, cpu, cpuacct] = ['memory', 'pids', 'cpu', 'cpuacct'].map(v1);
  if (memory !== undefined && pids !== undefined && cpu !== undefined) {
    return { kind: 'v1', folders: { memory, pids, cpu, cpuacct } };
  }
  const unified = all.find(({ type }) => type === 'cgroup2');
  const path = paths.get('');
  const folder = unified === undefined || path === undefined ? undefined : folderOf(unified, path);
  if (folder !== undefined && !paths.has('memory')) return { kind: 'v2', folder };
  return { kind: 'none', reason: 'no cgroup tree with memory, pids and cpu is mounted where this process can see it' };
}
