/**
 * The three calls that the runtime does not offer. Its own pipes are sockets, so `echo x > /dev/stderr` fails in them
 * (ENXIO); its terminal reads without bound, so `yes` with a stopped reader would fill the agent (section 4).
 */
import { dlopen, ptr } from 'bun:ffi';
import { closeSync, constants, openSync } from 'node:fs';

/** Names of the C library: glibc, then musl by architecture. */
const names = ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`, 'libc.so'];
const openCloseOnExec = 0o2000000;
const TCXONC = 0x540a;
const [TCOOFF, TCOON] = [0, 1];

function load() {
  let last: unknown;
  for (const name of names) {
    try {
      return dlopen(name, {
        pipe2: { args: ['ptr', 'i32'], returns: 'i32' },
        ioctl: { args: ['i32', 'u64', 'i64'], returns: 'i32' },
      }).symbols;
    } catch (error) {
      last = error;
    }
  }
  throw new Error('no C library was found', { cause: last });
}

let loaded: ReturnType<typeof load> | undefined;
const libc = () => (loaded ??= load());

/** A pipe whose ends no child inherits by itself. @throws Error when descriptors have run out. */
export function makePipe(): { read: number; write: number } {
  const ends = new Int32Array(2);
  if (libc().pipe2(ptr(ends), openCloseOnExec) !== 0) throw new Error('a pipe could not be made');
  return { read: ends[0] ?? -1, write: ends[1] ?? -1 };
}

/** Holds the output of a terminal back: writers block in the kernel until `release` is called. */
export class OutputStop {
  readonly #path: string;
  #fd: number | undefined;

  /** `path`: the side that the command has, `/dev/pts/3`. */
  constructor(path: string) {
    this.#path = path;
  }

  hold(): void {
    if (this.#fd !== undefined) return;
    try {
      // Without NOCTTY the command's terminal would become the agent's.
      this.#fd = openSync(this.#path, constants.O_RDWR | constants.O_NOCTTY);
      libc().ioctl(this.#fd, TCXONC, TCOOFF);
    } catch {
      // Gone: nobody is left who could write.
    }
  }

  /** The descriptor goes too: while it is open the terminal has no end. */
  release(): void {
    if (this.#fd === undefined) return;
    libc().ioctl(this.#fd, TCXONC, TCOON);
    closeSync(this.#fd);
    this.#fd = undefined;
  }
}
