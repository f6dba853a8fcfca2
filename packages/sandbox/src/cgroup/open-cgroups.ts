/**
 * Cgroups for sandboxes, if this process may make any. Names hold our pid, so that what a killed executor left behind is
 * known as nobody's and swept by the next one.
 */
import { writeFile } from 'node:fs/promises';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { Cgroup, type CgroupLayout, type CgroupLimits, killMembers, readOr } from './cgroup.ts';
import { v1Layout, v2Layout } from './cgroup-layouts.ts';
import { type CgroupPlaces, findCgroups } from './find-cgroups.ts';

export type Cgroups = {
  version: 'v1' | 'v2' | 'none';
  /** Why there is none. */
  reason: string | undefined;
  /** Without limits when they are to come later. @throws the system's error; Error when there are none. */
  make: (limits?: CgroupLimits) => Cgroup;
  /**
   * Makes the next `add` fast. Moving a process makes the kernel wait for a grace period (10 ms and more) unless another
   * was just moved; this moves ourselves to where we are, on another thread, while the sandbox is being made.
   */
  warm: () => void;
};

const prefix = 'labmesh-sandbox-';
const controllers = ['memory', 'pids', 'cpu'] as const;

/** For a machine without, and for tests of that. */
export const noCgroups = (reason: string): Cgroups => ({
  version: 'none',
  reason,
  make: () => {
    throw new Error(reason);
  },
  warm: () => {},
});

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Removes groups of executors that are no more, with whatever still runs in them. */
function sweep({ folders }: CgroupLayout): void {
  for (const folder of folders) {
    for (const name of readdirSync(folder)) {
      const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1] ?? process.pid);
      if (isAlive(pid)) continue;
      killMembers(`${folder}/${name}`);
      try {
        rmdirSync(`${folder}/${name}`);
      } catch {}
    }
  }
}

/**
 * Switches the controllers on below our own cgroup v2. A group with processes may have none with controllers below it,
 * so this process moves into a leaf first; that needs a delegated group of our own.
 */
function delegate(folder: string): void {
  const control = `${folder}/cgroup.subtree_control`;
  const isOn = () => controllers.every((name) => readFileSync(control, 'utf8').split(/\s/).includes(name));
  if (isOn()) return;
  const switchOn = () => writeFileSync(control, controllers.map((name) => `+${name}`).join(' '));
  try {
    switchOn();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    const leaf = `${folder}/labmesh-executor`;
    mkdirSync(leaf, { recursive: true });
    writeFileSync(`${leaf}/cgroup.procs`, String(process.pid));
    switchOn();
  }
}

function layoutOf(places: Exclude<CgroupPlaces, { kind: 'none' }>): CgroupLayout {
  if (places.kind === 'v1') return v1Layout(places.folders);
  // Left in a leaf by an earlier call: the group above is ours.
  const folder = places.folder.replace(/\/labmesh-executor$/, '');
  delegate(folder);
  return v2Layout(folder);
}

const placesNow = () => findCgroups(readOr('/proc/self/cgroup'), readOr('/proc/self/mountinfo'));

/** The list that this process is on, after it may have moved into a leaf. */
function ownProcs(): string | undefined {
  const places = placesNow();
  if (places.kind === 'none') return undefined;
  return `${places.kind === 'v1' ? places.folders.pids : places.folder}/cgroup.procs`;
}

/** Finds out by making one. Never throws: without cgroups a sandbox says so (`cgroup: false`). */
export async function openCgroups(places: CgroupPlaces = placesNow()): Promise<Cgroups> {
  if (places.kind === 'none') return noCgroups(places.reason);
  let made = 0;
  try {
    const layout = layoutOf(places);
    sweep(layout);
    const make = (limits?: CgroupLimits) => new Cgroup(layout, `${prefix}${process.pid}-${++made}`, limits);
    const trial = make({ memoryBytes: 64 * 1024 * 1024, pids: 8, cpus: 1 });
    await trial.remove();
    const own = ownProcs();
    const warm = () => void (own !== undefined && writeFile(own, String(process.pid)).catch(() => {}));
    return { version: layout.version, reason: undefined, make, warm };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    return noCgroups(`no cgroup could be made here (${code}); run as root, or delegate one (systemd: Delegate=yes)`);
  }
}
