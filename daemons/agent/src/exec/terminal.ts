/** A command on a terminal of its own: one stream, raw bytes, the size by RESIZE (EX-3). */
import { readlinkSync } from 'node:fs';
import type { Tty } from '@labmesh/wire/frame/open';
import type { Command } from './command.ts';
import { OutputStop } from './libc.ts';
import { foregroundGroup, groupsOfSession, signalGroup } from './process-group.ts';
import { processEnd, type OutputSource, type Spawned } from './spawned.ts';

/** The terminal is held back above the first and let go below the second. */
const [heldBytes, freedBytes] = [256 * 1024, 64 * 1024];
/** Longer writes give no `drain` when they fit at once, so nobody would know when they were taken. */
const writeBytes = 2048;
const endOfInput = new Uint8Array([4]);
const newline = 10;
const canonicalMode = 2;

/** Bytes the terminal gave, until they are read. The runtime pushes without asking, so the terminal itself is held. */
class TerminalOutput implements OutputSource {
  readonly stream = 1;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isOver = false;
  #waiting: ((chunk: Uint8Array | undefined) => void) | undefined;
  #stop: OutputStop | undefined;

  /** `stop` comes late: its name is known once the command runs. */
  holdBy(stop: OutputStop): void {
    this.#stop = stop;
    if (this.#bytes > heldBytes) stop.hold();
  }

  push(bytes: Uint8Array): void {
    if (this.#waiting !== undefined) {
      this.#waiting(bytes);
      this.#waiting = undefined;
      return;
    }
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > heldBytes) this.#stop?.hold();
  }

  finish(): void {
    this.#isOver = true;
    this.#waiting?.(undefined);
    this.#waiting = undefined;
  }

  async read(): Promise<Uint8Array | undefined> {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) {
      if (this.#isOver) return undefined;
      return new Promise((resolve) => (this.#waiting = resolve));
    }
    this.#bytes -= chunk.length;
    if (this.#bytes < freedBytes) this.#stop?.release();
    return chunk;
  }

  close(): void {
    this.#stop?.release();
    this.finish();
  }
}

/** Writes one piece at a time, each when the one before was taken. */
class TerminalInput {
  readonly #terminal: Bun.Terminal;
  #last: Promise<void> = Promise.resolve();
  #taken: (() => void) | undefined;
  #isOver = false;
  #isLineOpen = false;

  constructor(terminal: Bun.Terminal) {
    this.#terminal = terminal;
  }

  /** To be called when the terminal has taken what was written. */
  drained(): void {
    this.#taken?.();
    this.#taken = undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#last = this.#last.then(() => this.#writeAll(bytes));
    return this.#last;
  }

  /** ^D: on a line that has begun the first only hands that line over, so it takes two. */
  end(): void {
    this.#last = this.#last.then(async () => {
      const isCanonical = !this.#terminal.closed && (this.#terminal.localFlags & canonicalMode) !== 0;
      if (isCanonical && this.#isLineOpen) await this.#writeAll(endOfInput);
      await this.#writeAll(endOfInput);
    });
  }

  close(): void {
    this.#isOver = true;
    this.drained();
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isOver && !this.#terminal.closed; at += writeBytes) {
      const taken = new Promise<void>((resolve) => (this.#taken = resolve));
      this.#terminal.write(bytes.slice(at, at + writeBytes));
      await taken;
    }
    if (bytes.length > 0) this.#isLineOpen = bytes.at(-1) !== newline;
  }
}

/** The name of the terminal that a process has; undefined when it is over already. */
function terminalPath(pid: number): string | undefined {
  try {
    const path = readlinkSync(`/proc/${pid}/fd/0`);
    return path.startsWith('/dev/pts/') ? path : undefined;
  } catch {
    return undefined;
  }
}

/** `file` is run; the command sees `argv[0]`. @throws the system's error (ENOENT, EACCES …) when it cannot be started. */
export function spawnOnTerminal(file: string, command: Command, options: { tty: Tty; cgroup?: string }): Spawned {
  const output = new TerminalOutput();
  let input: TerminalInput | undefined;
  const { tty } = options;
  const child = Bun.spawn([file, ...command.argv.slice(1)], {
    argv0: command.argv[0] ?? file,
    cwd: command.cwd,
    env: command.env,
    terminal: {
      cols: tty.cols,
      rows: tty.rows,
      name: tty.term,
      data: (_, bytes) => output.push(bytes),
      // The other side is closed everywhere and all it wrote was given.
      exit: () => output.finish(),
      drain: () => input?.drained(),
    },
    ...(options.cgroup !== undefined && { cgroup: options.cgroup }),
  });
  const terminal = child.terminal;
  if (terminal === undefined) throw new Error('the command has no terminal');
  const path = terminalPath(child.pid);
  if (path !== undefined) output.holdBy(new OutputStop(path));
  const writer = new TerminalInput(terminal);
  input = writer;
  return {
    pid: child.pid,
    exited: child.exited.then(() => processEnd(child.exitCode, child.signalCode)),
    outputs: [output],
    write: (bytes) => writer.write(bytes),
    endInput: () => writer.end(),
    resize: (cols, rows) => {
      if (!terminal.closed) terminal.resize(cols, rows);
    },
    signal: (name) => void signalGroup(foregroundGroup(child.pid), name),
    signalAll: async (name) => {
      // A job control shell gives each job a group: those are found by the session they share.
      for (const group of new Set([child.pid, ...(await groupsOfSession(child.pid))])) signalGroup(group, name);
    },
    dispose: () => {
      writer.close();
      output.close();
      terminal.close();
    },
  };
}
