/** The streams, the terminal and the signals that a session takes from its process, so that tests can give others. */
import type { SignalName } from '@labmesh/wire/frame/frame-types';

export type TerminalSize = { cols: number; rows: number };
/** Signals that a person or a program sends to labctl itself. */
export type OwnSignal = Extract<SignalName, 'INT' | 'TERM' | 'HUP'>;

export interface SessionIo {
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  /** Something to be read was put there: a pipe or a file, neither a terminal nor /dev/null. */
  readonly stdinIsGiven: boolean;
  /** Bytes as they come; the next ones are read when the loop asks for them. */
  stdin(): AsyncIterable<Uint8Array>;
  /** To stdout (1) or stderr (2). Resolves when the system took them. @throws OutputGone */
  write(stream: 1 | 2, bytes: Uint8Array): Promise<void>;
  /** Of the terminal, undefined without one. */
  size(): TerminalSize | undefined;
  onResize(told: (size: TerminalSize) => void): Disposable;
  /** Keys as bytes, nothing echoed, until it is disposed or the process ends. */
  rawMode(): Disposable;
  /** While it is, a line ends with CR and LF. */
  readonly isRaw: boolean;
  /** From here `told` hears the signals and nobody else, until it is disposed. */
  takeSignals(told: (name: OwnSignal) => void): Disposable;
}

/** Whoever read our output is gone, as with `| head`. */
export class OutputGone extends Error {
  constructor() {
    super('nobody reads the output any more');
    this.name = 'OutputGone';
  }
}

/** The exit code of a program that SIGPIPE ended. */
export const goneExit = 141;

/** Runs until our output is gone: then it ends as other programs in a pipe do, without a word. */
export async function untilGone<T>(run: () => Promise<T>): Promise<T | typeof goneExit> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof OutputGone) return goneExit;
    throw error;
  }
}
