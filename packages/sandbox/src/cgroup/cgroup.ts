/** A cgroup of one sandbox: what it may take, what it took, and the end of all that is in it (verification SB6). */
import { writeFile } from 'node:fs/promises';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

export type CgroupLimits = { memoryBytes: number; pids: number; cpus: number };
export type CgroupUsage = {
  cpuMs: number | null;
  peakBytes: number | null;
  /** Processes that the kernel killed for memory. */
  oomKills: number;
  /** Forks that the kernel refused. */
  forksRefused: number;
};

/** One setting: file and value; `ifThere` when kernels may lack the file. */
export type Setting = { path: string; value: string; ifThere?: boolean };
/** What differs between the versions. Folders are named without the run's own part. */
export type CgroupLayout = {
  version: 'v1' | 'v2';
  folders: readonly string[];
  settings: (folder: (controller: string) => string, limits: CgroupLimits) => Setting[];
  usage: (folder: (controller: string) => string) => CgroupUsage;
  /** What it holds now, bytes. */
  heldBytes: (folder: (controller: string) => string) => number;
  /** Where the highest use can be set back. */
  peakReset: ((folder: (controller: string) => string) => string) | undefined;
  /** The folder of a controller's tree. */
  base: (controller: string) => string;
};

const removeTries = 20;
const removeWaitMs = 10;

/** Text of a file, '' when it is not there. */
export const readOr = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** The number after `name` at the start of a line; 0 when there is none. */
export const counter = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);

/** Ends each process that the group of that folder lists. */
export function killMembers(folder: string): void {
  for (const pid of readOr(`${folder}/cgroup.procs`).split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {}
  }
}

export class Cgroup {
  readonly #layout: CgroupLayout;
  readonly #name: string;
  readonly #folders: string[];
  /** What was used before the job; its memory stays charged to the group. */
  #before = { cpuMs: 0, bytes: 0 };

  /**
   * Makes the group with its limits; without any when they are to come by `begin`.
   * @throws the system's error; what was made before it is removed again.
   */
  constructor(layout: CgroupLayout, name: string, limits?: CgroupLimits) {
    this.#layout = layout;
    this.#name = name;
    this.#folders = layout.folders.map((folder) => `${folder}/${name}`);
    try {
      for (const folder of this.#folders) mkdirSync(folder);
      if (limits !== undefined) this.#limit(limits);
    } catch (error) {
      this.#removeOnce();
      throw error;
    }
  }

  /** Takes a process in, with all it will start. */
  add(pid: number): void {
    for (const folder of this.#folders) writeFileSync(`${folder}/cgroup.procs`, String(pid));
  }

  /** The same for a process that has time: the kernel may think about it for many milliseconds. */
  async addInTime(pid: number): Promise<void> {
    for (const folder of this.#folders) await writeFile(`${folder}/cgroup.procs`, String(pid));
  }

  /** From here on it is the job's, to whom nothing counts that was before. @throws the system's error. */
  begin(limits: CgroupLimits): void {
    const reset = this.#layout.peakReset?.(this.#folder);
    if (reset !== undefined) writeFileSync(reset, '0');
    const bytes = this.#layout.heldBytes(this.#folder);
    this.#before = { cpuMs: this.#layout.usage(this.#folder).cpuMs ?? 0, bytes };
    this.#limit({ ...limits, memoryBytes: limits.memoryBytes + bytes });
  }

  usage(): CgroupUsage {
    const { cpuMs, peakBytes, ...rest } = this.#layout.usage(this.#folder);
    const { cpuMs: earlierMs, bytes } = this.#before;
    return {
      ...rest,
      cpuMs: cpuMs === null ? null : cpuMs - earlierMs,
      peakBytes: peakBytes === null ? null : Math.max(0, peakBytes - bytes),
    };
  }

  /** Kills all that is in it; what is born meanwhile is found by the next call. */
  kill(): void {
    const [folder = ''] = this.#folders;
    try {
      if (this.#layout.version === 'v2') return writeFileSync(`${folder}/cgroup.kill`, '1');
    } catch {
      // Linux before 5.14 has no such file.
    }
    killMembers(folder);
  }

  /** Kills and removes; false when something still holds it (the kernel answers EBUSY for a while after the last end). */
  async remove(): Promise<boolean> {
    for (let tries = 0; tries < removeTries; tries++) {
      if (this.#removeOnce()) return true;
      this.kill();
      await Bun.sleep(removeWaitMs);
    }
    return this.#removeOnce();
  }

  #limit(limits: CgroupLimits): void {
    for (const { path, value, ifThere } of this.#layout.settings(this.#folder, limits)) {
      try {
        writeFileSync(path, value);
      } catch (error) {
        if (ifThere !== true) throw error;
      }
    }
  }

  readonly #folder = (controller: string) => `${this.#layout.base(controller)}/${this.#name}`;

  #removeOnce(): boolean {
    let isGone = true;
    for (const folder of this.#folders) {
      try {
        rmdirSync(folder);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') isGone = false;
      }
    }
    return isGone;
  }
}
