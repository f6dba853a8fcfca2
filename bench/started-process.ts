import type { Subprocess } from 'bun';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readStats, sumTree } from './process-tree.ts';

export type StartOptions = {
  name: string;
  command: readonly string[];
  /** Core to pin to; left alone when taskset is missing. */
  core: number;
  /** Folder for `<name>.out` and `<name>.err`. */
  folder: string;
  cwd?: string;
  env?: Record<string, string>;
};

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 5_000;
const pollMs = 25;
const errorTailBytes = 2_000;

export const canPin = Bun.which('taskset') !== null;

/** `command` bound to one core. */
export function pinned(command: readonly string[], core: number): string[] {
  return canPin ? ['taskset', '-c', String(core), ...command] : [...command];
}

/** A process of the bench, its output in files; ended with all its descendants. */
export class StartedProcess implements AsyncDisposable {
  readonly #child: Subprocess<'ignore'>;
  readonly #options: StartOptions;

  constructor(options: StartOptions) {
    this.#options = options;
    this.#child = Bun.spawn(pinned(options.command, options.core), {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdin: 'ignore',
      stdout: Bun.file(this.#file('out')),
      stderr: Bun.file(this.#file('err')),
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Resident bytes of the whole tree. */
  get rssBytes(): number {
    return sumTree(this.pid, readStats()).rssBytes;
  }

  /** The end of what it wrote to stderr (else stdout), for error texts. */
  get errorTail(): string {
    return (this.#read('err') || this.#read('out')).slice(-errorTailBytes).trim();
  }

  /** The first line of stdout that is a JSON object with `ready: true`. Rejects when the process ends or is too slow. */
  readyLine(): Promise<Record<string, unknown>> {
    return this.#poll(() => this.#read('out').split('\n').map(parseReady).find(Boolean));
  }

  /** Resolves when something listens on the loopback port. Rejects when the process ends or is too slow. */
  async listening(port: number): Promise<void> {
    await this.#poll(() => canConnect(port));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pids } = sumTree(this.pid, readStats());
    for (const pid of pids) kill(pid, 'SIGTERM');
    await Promise.race([this.#child.exited, Bun.sleep(stopTimeoutMs)]);
    // Only those that were below us then and are not gone: a launcher may die before its server.
    for (const pid of pids) kill(pid, 'SIGKILL');
  }

  async #poll<T>(attempt: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
    for (let waitedMs = 0; waitedMs < readyTimeoutMs; waitedMs += pollMs) {
      const value = await attempt();
      if (value !== undefined && value !== false) return value;
      if (this.#child.exitCode !== null) throw this.#failure(`ended with ${this.#child.exitCode}`);
      await Bun.sleep(pollMs);
    }
    throw this.#failure(`not ready after ${readyTimeoutMs} ms`);
  }

  #failure(what: string): Error {
    return new Error(`${this.#options.name} ${what}\n${this.errorTail}`);
  }

  #file(suffix: 'out' | 'err'): string {
    return join(this.#options.folder, `${this.#options.name}.${suffix}`);
  }

  #read(suffix: 'out' | 'err'): string {
    const path = this.#file(suffix);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }
}

function parseReady(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(line) as Record<string, unknown>;
    return value.ready === true ? value : undefined;
  } catch {
    return undefined; // half a line, or another program's output
  }
}

async function canConnect(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

/** A loopback port that was free a moment ago, for programs that cannot take port 0. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
