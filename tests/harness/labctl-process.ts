import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The launcher at the root: what a person types. */
export const labctlFile = resolve(import.meta.dir, '../../labctl');

/** Nothing of this machine's settings reaches a test; PATH does, for npm and curl. */
const environment = (home: string) => ({ PATH: process.env['PATH'] ?? '', HOME: home });

export type Finished = { exitCode: number; stdout: string; stderr: string };

export interface LabctlProcess extends AsyncDisposable {
  readonly pid: number;
  /** All that was said so far. */
  readonly stdout: string;
  readonly stderr: string;
  readonly exited: Promise<number>;
  /** Resolves when stdout or stderr holds the text. */
  says(text: string): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

/** A folder of one test, and labctl run in it. */
export class LabctlHome implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'labmesh-labctl-'));
  readonly data = join(this.folder, 'data folder');
  readonly #command: readonly string[];

  constructor(command: readonly string[] = [labctlFile]) {
    this.#command = command;
  }

  /** Runs a command to its end. */
  async run(...words: string[]): Promise<Finished> {
    const child = Bun.spawn([...this.#command, ...words], {
      cwd: this.folder,
      env: environment(this.folder),
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { exitCode, stdout, stderr };
  }

  /** Starts a command that stays, such as `up`. */
  start(...words: string[]): LabctlProcess {
    return startProcess([...this.#command, ...words], this.folder);
  }

  /** `up` on the data folder and a free port, up to its ready line. */
  async up(...words: string[]): Promise<{ labctl: LabctlProcess; ready: Ready }> {
    const labctl = this.start('up', '--json', '--port', '0', '--data', this.data, ...words);
    await labctl.says('"ready":true');
    return { labctl, ready: JSON.parse(labctl.stdout) as Ready };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export type Ready = {
  ready: true;
  api: string;
  key: string;
  models: { id: string; endpoints: string[] }[];
  /** Absent with --no-fleet. */
  fleet?: { api: string; agents: string; server: string | null; context: string | null };
  notes?: string[];
};

function startProcess(command: string[], folder: string): LabctlProcess {
  const child = Bun.spawn(command, {
    cwd: folder,
    env: environment(folder),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const said = { stdout: '', stderr: '' };
  let wake: () => void = () => {};
  const read = async (name: 'stdout' | 'stderr') => {
    const decoder = new TextDecoder();
    for await (const bytes of child[name]) {
      said[name] += decoder.decode(bytes, { stream: true });
      wake();
    }
  };
  const reading = Promise.all([read('stdout'), read('stderr')]);
  const exited = child.exited.then(async (code) => {
    await reading;
    wake();
    return code;
  });
  return {
    pid: child.pid,
    exited,
    get stdout() {
      return said.stdout;
    },
    get stderr() {
      return said.stderr;
    },
    async says(text) {
      while (!said.stdout.includes(text) && !said.stderr.includes(text)) {
        if (child.exitCode !== null)
          throw new Error(`labctl ended with ${child.exitCode}:\n${said.stdout}${said.stderr}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    signal: (name) => child.kill(name),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
