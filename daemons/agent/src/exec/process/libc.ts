/**
 * The two system calls behind pipes and terminals, because what the runtime offers does not do here: its pipes are
 * sockets, so `echo x > /dev/stderr` fails in them (ENXIO); its terminal reads without bound, so `yes` with a stopped
 * reader would fill the agent, and holding the terminal back by TCOOFF loses line ends in the kernel's output stage.
 */
import { dlopen, ptr } from 'bun:ffi';
import { closeSync, constants, openSync } from 'node:fs';

/** Names of the C library: glibc, then musl by architecture. */
const names = ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`, 'libc.so'];
const closeOnExec = 0o2000000;
/** ioctl numbers of Linux on x64 and arm64. */
const requests = { lock: 0x40045431, number: 0x80045430, size: 0x5414, get: 0x5401, set: 0x5402 } as const;
/** struct termios of the kernel: four flag words, then control characters. */
const termiosBytes = 64;
const [inputFlags, localFlags] = [0, 3];
const utf8Input = 0o40000;
const canonicalMode = 0o2;
const echo = 0o10;

function load() {
  let last: unknown;
  for (const name of names) {
    try {
      return dlopen(name, {
        pipe2: { args: ['ptr', 'i32'], returns: 'i32' },
        ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
      }).symbols;
    } catch (error) {
      last = error;
    }
  }
  throw new Error('no C library was found', { cause: last });
}

let loaded: ReturnType<typeof load> | undefined;
const libc = () => (loaded ??= load());

function control(fd: number, request: keyof typeof requests, argument: Int32Array | Uint16Array | Uint32Array): void {
  if (libc().ioctl(fd, requests[request], ptr(argument)) !== 0) throw new Error(`the terminal refused ${request}`);
}

/** A pipe whose ends no child inherits by itself. @throws Error when descriptors have run out. */
export function makePipe(): { read: number; write: number } {
  const ends = new Int32Array(2);
  if (libc().pipe2(ptr(ends), closeOnExec) !== 0) throw new Error('a pipe could not be made');
  return { read: ends[0] ?? -1, write: ends[1] ?? -1 };
}

/** A pseudo-terminal: our side (`master`), the command's (`slave`) and its name. */
export type TerminalPair = { master: number; slave: number; path: string };

/** @throws Error when there is no free terminal. */
export function makeTerminal(cols: number, rows: number): TerminalPair {
  // Without NOCTTY it would become the agent's own terminal.
  const flags = constants.O_RDWR | constants.O_NOCTTY | closeOnExec;
  const master = openSync('/dev/ptmx', flags);
  try {
    control(master, 'lock', new Int32Array(1));
    const number = new Uint32Array(1);
    control(master, 'number', number);
    const path = `/dev/pts/${number[0]}`;
    setTerminalSize(master, cols, rows);
    const modes = new Uint32Array(termiosBytes / 4);
    control(master, 'get', modes);
    modes[inputFlags] = (modes[inputFlags] ?? 0) | utf8Input;
    control(master, 'set', modes);
    return { master, slave: openSync(path, flags), path };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** Tells the foreground group too (SIGWINCH). */
export function setTerminalSize(master: number, cols: number, rows: number): void {
  control(master, 'size', new Uint16Array([rows, cols, 0, 0]));
}

/** How a terminal hands over what is typed: by whole lines, so that ^D is the end of input, or key by key. */
export type TypingMode = 'lines' | 'keys' | 'keys-shown';

/** `keys-shown`: the terminal prints them by itself, as after `stty raw`. */
export function typingMode(master: number): TypingMode {
  const modes = new Uint32Array(termiosBytes / 4);
  control(master, 'get', modes);
  const local = modes[localFlags] ?? 0;
  if ((local & canonicalMode) !== 0) return 'lines';
  return (local & echo) === 0 ? 'keys' : 'keys-shown';
}
