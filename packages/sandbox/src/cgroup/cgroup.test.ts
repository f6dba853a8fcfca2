import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cgroup, counter, readOr } from './cgroup.ts';
import { v1Layout, v2Layout } from './cgroup-layouts.ts';
import { findCgroups } from './find-cgroups.ts';
import { noCgroups, openCgroups } from './open-cgroups.ts';

const v1Mounts = ['memory', 'pids', 'cpu,cpuacct']
  .map((names) => `30 25 0:26 / /sys/fs/cgroup/${names} rw,nosuid - cgroup cgroup rw,${names}`)
  .join('\n');
const v2Mount = '30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw';

describe('where we stand', () => {
  test('v1: a tree for each controller, below our own group', () => {
    const cgroup = '4:memory:/a/b\n3:pids:/\n2:cpu,cpuacct:/c\n0::/';
    expect(findCgroups(cgroup, v1Mounts)).toEqual({
      kind: 'v1',
      folders: {
        memory: '/sys/fs/cgroup/memory/a/b',
        pids: '/sys/fs/cgroup/pids',
        cpu: '/sys/fs/cgroup/cpu,cpuacct/c',
        cpuacct: '/sys/fs/cgroup/cpu,cpuacct/c',
      },
    });
  });

  test('v2: one tree', () => {
    const folder = '/sys/fs/cgroup/system.slice/x.service';
    expect(findCgroups('0::/system.slice/x.service\n', v2Mount)).toEqual({ kind: 'v2', folder });
  });

  test('a mount that shows a part of the tree', () => {
    const mount = v2Mount.replace(' / /sys', ' /docker/1 /sys');
    expect(findCgroups('0::/docker/1/app', mount)).toEqual({ kind: 'v2', folder: '/sys/fs/cgroup/app' });
    expect(findCgroups('0::/docker/12', mount).kind).toBe('none');
    expect(findCgroups('0::/../2', v2Mount).kind).toBe('none');
  });

  test('a folder with a space', () => {
    const mount = v2Mount.replace('/sys/fs/cgroup', String.raw`/sys/fs/c\040g`);
    expect(findCgroups('0::/x', mount)).toEqual({ kind: 'v2', folder: '/sys/fs/c g/x' });
  });

  test('none: no mounts, no controllers, or a v2 tree whose controllers are elsewhere', () => {
    expect(findCgroups('', '').kind).toBe('none');
    expect(findCgroups('0::/', '').kind).toBe('none');
    expect(findCgroups('4:memory:/\n0::/', v2Mount).kind).toBe('none');
  });
});

describe('settings', () => {
  const limits = { memoryBytes: 1000, pids: 7, cpus: 1.5 };
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'cgroup-'));
    for (const name of ['memory', 'pids', 'cpu']) mkdirSync(join(root, name));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const folders = () => ({
    memory: join(root, 'memory'),
    pids: join(root, 'pids'),
    cpu: join(root, 'cpu'),
    cpuacct: join(root, 'cpu'),
  });
  const written = (folder: string) =>
    Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));

  test('of v1 go to the tree of each controller', () => {
    const cgroup = new Cgroup(v1Layout(folders()), 'run', limits);
    cgroup.add(5);
    expect(written(join(root, 'memory/run'))).toEqual({
      'memory.limit_in_bytes': '1000',
      'memory.memsw.limit_in_bytes': '1000',
      'cgroup.procs': '5',
    });
    expect(written(join(root, 'pids/run'))).toEqual({ 'pids.max': '7', 'cgroup.procs': '5' });
    expect(written(join(root, 'cpu/run'))).toEqual({
      'cpu.cfs_period_us': '100000',
      'cpu.cfs_quota_us': '150000',
      'cgroup.procs': '5',
    });
    writeFileSync(join(root, 'memory/run/memory.oom_control'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n');
    writeFileSync(join(root, 'memory/run/memory.max_usage_in_bytes'), '4096\n');
    writeFileSync(join(root, 'pids/run/pids.events'), 'max 2\n');
    writeFileSync(join(root, 'cpu/run/cpuacct.usage'), '2500000\n');
    expect(cgroup.usage()).toEqual({ cpuMs: 2.5, peakBytes: 4096, oomKills: 3, forksRefused: 2 });
  });

  test('of v2 go to one folder', () => {
    mkdirSync(join(root, 'unified'));
    const cgroup = new Cgroup(v2Layout(join(root, 'unified')), 'run', limits);
    const folder = join(root, 'unified/run');
    expect(written(folder)).toEqual({
      'memory.max': '1000',
      'memory.swap.max': '0',
      'memory.oom.group': '1',
      'pids.max': '7',
      'cpu.max': '150000 100000',
    });
    writeFileSync(join(folder, 'memory.events'), 'low 0\noom 1\noom_kill 1\noom_group_kill 1\n');
    writeFileSync(join(folder, 'cpu.stat'), 'usage_usec 1500\nuser_usec 1\n');
    expect(cgroup.usage()).toEqual({ cpuMs: 1.5, peakBytes: null, oomKills: 1, forksRefused: 0 });
    cgroup.kill();
    expect(readFileSync(join(folder, 'cgroup.kill'), 'utf8')).toBe('1');
  });

  test('what was used before a job began is not the job’s', () => {
    mkdirSync(join(root, 'later'));
    const cgroup = new Cgroup(v2Layout(join(root, 'later')), 'run');
    const folder = join(root, 'later/run');
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(join(folder, 'memory.current'), '300\n');
    writeFileSync(join(folder, 'memory.peak'), '400\n');
    writeFileSync(join(folder, 'cpu.stat'), 'usage_usec 1500\n');
    cgroup.begin(limits);
    expect(readFileSync(join(folder, 'memory.max'), 'utf8')).toBe('1300');
    expect(readFileSync(join(folder, 'pids.max'), 'utf8')).toBe('7');
    writeFileSync(join(folder, 'memory.peak'), '900\n');
    writeFileSync(join(folder, 'cpu.stat'), 'usage_usec 4000\n');
    expect(cgroup.usage()).toMatchObject({ cpuMs: 2.5, peakBytes: 600 });
  });

  test('that cannot be made leave nothing half made', () => {
    const layout = v1Layout({ ...folders(), cpu: join(root, 'absent'), cpuacct: undefined });
    expect(() => new Cgroup(layout, 'half', limits)).toThrow('ENOENT');
    expect(existsSync(join(root, 'memory/half'))).toBe(false);
  });

  test('counters are found by their whole name', () => {
    expect(counter('oom 1\noom_kill 3', 'oom_kill')).toBe(3);
    expect(counter('oom_kill 3', 'oom')).toBe(0);
    expect(readOr(join(root, 'none'))).toBe('');
  });
});

test('no cgroup says why, and makes none', async () => {
  const none = await openCgroups({ kind: 'none', reason: 'because' });
  expect([none.version, none.reason]).toEqual(['none', 'because']);
  expect(() => none.make({ memoryBytes: 1, pids: 1, cpus: 1 })).toThrow('because');
  expect(noCgroups('x').version).toBe('none');
  const closed = await openCgroups({ kind: 'v2', folder: '/nonexistent' });
  expect(closed.reason).toContain('ENOENT');
});

const real = await openCgroups();

describe.skipIf(real.version === 'none')('on this machine (needs a cgroup that we may write)', () => {
  test('a group takes a process in, counts it, ends it and goes', async () => {
    const cgroup = real.make({ memoryBytes: 64 * 1024 * 1024, pids: 4, cpus: 1 });
    const child = Bun.spawn(['sleep', '60'], { stdio: ['ignore', 'ignore', 'ignore'] });
    cgroup.add(child.pid);
    expect(readFileSync(`/proc/${child.pid}/cgroup`, 'utf8')).toContain(`labmesh-sandbox-${process.pid}-`);
    expect(cgroup.usage()).toMatchObject({ oomKills: 0, forksRefused: 0 });
    expect(await cgroup.remove()).toBe(true);
    expect(await child.exited).toBe(137);
  });

  test('groups of a process that is no more are swept', async () => {
    const places = findCgroups(readOr('/proc/self/cgroup'), readOr('/proc/self/mountinfo'));
    if (places.kind === 'none') throw new Error('there was one before');
    const folder = places.kind === 'v1' ? places.folders.pids : places.folder;
    // No process has a number that high.
    const left = join(folder, 'labmesh-sandbox-99999999-1');
    mkdirSync(left);
    try {
      await openCgroups();
      expect(existsSync(left)).toBe(false);
    } finally {
      if (existsSync(left)) rmdirSync(left);
    }
  });
});
