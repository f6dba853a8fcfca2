/**
 * A command on a terminal of its own: one stream, raw bytes, the size by RESIZE (EX-3).
 *
 *     channel ─► pipe ─► cat ─► ┐
 *                               terminal ◄─► command
 *     channel ◄─ pipe ◄─ cat ◄─ ┘
 *
 * The runtime cannot read a terminal at its reader's pace, only pipes, so `cat` stands between. That makes the kernel
 * hold the command back when nobody reads, and its writer when the command does not, without losing a byte.
 */
import { chownSync, closeSync, writeSync } from 'node:fs';
import type { Tty } from '@labmesh/wire/frame/open';
import type { Command } from './command.ts';
import { makePipe, makeTerminal, setTerminalSize, type TerminalPair, typingMode } from './libc.ts';
import { InputSink, outputSource } from './pipe-ends.ts';
import { foregroundGroup, groupsOfSession, signalGroup } from './process-group.ts';
import { type OutputSource, processEnd, type Spawned } from './spawned.ts';

/** A session leader's first terminal becomes its own when it opens it by name; then the shell becomes the command. */
const takeTerminal = 'exec <>"$0" >&0 2>&1; exec "$@"';
const relay = { cmd: ['cat'], env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' }, cwd: '/', detached: true } as const;
const endOfInput = new Uint8Array([4]);
const newline = 10;

/** What the terminal gives, up to the moment when nobody has it open any more. */
function readTerminal(master: number): { output: OutputSource; stop: () => void } {
  const pipe = makePipe();
  const child = Bun.spawn({ ...relay, cmd: [...relay.cmd], stdio: [master, pipe.write, 'ignore'] });
  closeSync(pipe.write);
  return { output: outputSource(1, pipe.read), stop: () => child.kill('SIGKILL') };
}

class TerminalInput {
  readonly #master: number;
  #sink: InputSink | undefined;
  #stop: () => void = () => {};
  #isLineOpen = false;
  #isOver = false;

  constructor(master: number) {
    this.#master = master;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isOver || bytes.length === 0) return;
    this.#isLineOpen = bytes.at(-1) !== newline;
    this.#sink ??= this.#start();
    await this.#sink.write(bytes);
  }

  /**
   * ^D: on a line that has begun the first only hands that line over, so it takes two. Key by key it is what a program
   * such as a shell takes for the end; one that has the terminal show its keys takes bytes, and must not get one more.
   */
  async end(): Promise<void> {
    if (this.#isOver) return;
    const mode = typingMode(this.#master);
    if (mode === 'keys-shown') return;
    if (this.#sink === undefined) return this.#typeNow(endOfInput);
    const isTwice = this.#isLineOpen && mode === 'lines';
    await this.write(endOfInput);
    if (isTwice) await this.write(endOfInput);
  }

  /** Past cat, which has nothing yet: the mode may be another by the time it comes to it. */
  #typeNow(bytes: Uint8Array): void {
    try {
      writeSync(this.#master, bytes);
    } catch {
      // The command is gone.
    }
  }

  close(): void {
    this.#isOver = true;
    this.#sink?.end();
    this.#stop();
  }

  #start(): InputSink {
    const pipe = makePipe();
    const child = Bun.spawn({ ...relay, cmd: [...relay.cmd], stdio: [pipe.read, this.#master, 'ignore'] });
    closeSync(pipe.read);
    this.#stop = () => child.kill('SIGKILL');
    return new InputSink(pipe.write);
  }
}

type TerminalOptions = { tty: Tty; owner?: number; cgroup?: string };

function spawnWith(terminal: TerminalPair, command: Command, options: TerminalOptions): Bun.Subprocess {
  // Its commands open /dev/stderr by name, which asks for the right to.
  if (options.owner !== undefined) chownSync(terminal.path, options.owner, -1);
  const { slave, path } = terminal;
  return Bun.spawn(['/bin/sh', '-c', takeTerminal, path, ...command.argv], {
    cwd: command.cwd,
    env: command.env,
    stdio: [slave, slave, slave],
    detached: true,
    ...(options.cgroup !== undefined && { cgroup: options.cgroup }),
  });
}

/** `owner`: the account the terminal is given to. @throws the system's error when it cannot be started. */
export function spawnOnTerminal(command: Command, options: TerminalOptions): Spawned {
  const terminal = makeTerminal(options.tty.cols, options.tty.rows);
  const { master } = terminal;
  try {
    const reading = readTerminal(master);
    try {
      return commandOn(master, spawnWith(terminal, command, options), reading);
    } catch (error) {
      reading.stop();
      throw error;
    }
  } catch (error) {
    closeSync(master);
    throw error;
  } finally {
    // While we hold it the terminal has no end.
    closeSync(terminal.slave);
  }
}

function commandOn(master: number, child: Bun.Subprocess, reading: ReturnType<typeof readTerminal>): Spawned {
  const input = new TerminalInput(master);
  let isOpen = true;
  return {
    pid: child.pid,
    exited: child.exited.then(() => processEnd(child.exitCode, child.signalCode)),
    outputs: [reading.output],
    write: (bytes) => input.write(bytes),
    endInput: () => void input.end(),
    resize: (cols, rows) => {
      if (isOpen) setTerminalSize(master, cols, rows);
    },
    signal: (name) => void signalGroup(foregroundGroup(child.pid), name),
    signalAll: async (name) => {
      // A job control shell gives each job a group: those are found by the session they share.
      for (const group of new Set([child.pid, ...(await groupsOfSession(child.pid))])) signalGroup(group, name);
    },
    dispose: () => {
      if (!isOpen) return;
      isOpen = false;
      input.close();
      reading.stop();
      reading.output.close();
      closeSync(master);
    },
  };
}
