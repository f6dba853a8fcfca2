/** A command that runs, seen alike over pipes and over a terminal. */
import type { SignalName } from '@labmesh/wire/frame/frame-types';

export type ProcessEnd = { code: number | null; signal: string | null };

export interface OutputSource {
  readonly stream: 1 | 2;
  /** The next bytes; undefined at the end. Nothing is read ahead of the calls beyond a fixed bound. */
  read(): Promise<Uint8Array | undefined>;
  /** Gives up: a `read` that waits gets undefined. */
  close(): void;
}

export interface Spawned {
  readonly pid: number;
  readonly exited: Promise<ProcessEnd>;
  readonly outputs: readonly OutputSource[];
  /** Resolves when the command's side has taken the bytes, or will never: then they are dropped. */
  write(bytes: Uint8Array): Promise<void>;
  /** End of input. */
  endInput(): void;
  resize(cols: number, rows: number): void;
  /** To the group in the foreground. */
  signal(name: SignalName): void;
  /** To every group that can be told to belong to it. */
  signalAll(name: SignalName): Promise<void>;
  /** Frees what is left: descriptors, the terminal, the cgroup. */
  dispose(): void;
}

/** `SIGKILL` or a number, as the runtime tells it, without SIG. */
export const processEnd = (exitCode: number | null, signalCode: string | number | null): ProcessEnd =>
  signalCode === null
    ? { code: exitCode, signal: null }
    : { code: null, signal: typeof signalCode === 'number' ? String(signalCode) : signalCode.replace(/^SIG/, '') };
