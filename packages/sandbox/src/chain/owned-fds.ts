/**
 * File descriptors with one owner. A sandbox gets real pipes: the runtime's own are sockets, which programs can tell
 * (`echo > /dev/stderr` fails on a socket) and which can carry descriptors. Every descriptor is close-on-exec, so that
 * no process but the one it is given to gets it.
 */
import { dlopen, ptr } from 'bun:ffi';
import { closeSync, constants, openSync } from 'node:fs';

export type Pipe = { readFd: number; writeFd: number };

/** O_CLOEXEC of Linux, which node:fs does not name. */
const closeOnExec = 0o2000000;

function loadPipe2() {
  for (const library of ['libc.so.6', 'libc.so']) {
    try {
      return dlopen(library, { pipe2: { args: ['ptr', 'i32'], returns: 'i32' } }).symbols.pipe2;
    } catch {}
  }
  throw new Error('the C library cannot be loaded: pipes for sandboxes need it');
}

let pipe2: ReturnType<typeof loadPipe2> | undefined;

/** Closes what is still open when it is disposed of; each descriptor is closed once. */
export class OwnedFds implements Disposable {
  readonly #open = new Set<number>();

  /** @throws Error when the process has no descriptors left, or no C library. */
  pipe(): Pipe {
    pipe2 ??= loadPipe2();
    const pair = new Int32Array(2);
    if (pipe2(ptr(pair), closeOnExec) !== 0) throw new Error('no pipe could be made: too many open files');
    const [readFd = -1, writeFd = -1] = pair;
    this.#open.add(readFd).add(writeFd);
    return { readFd, writeFd };
  }

  /** @throws the system's error (ENOENT, EACCES …). */
  open(path: string, flags: number = constants.O_RDONLY): number {
    const fd = openSync(path, flags | closeOnExec);
    this.#open.add(fd);
    return fd;
  }

  close(...fds: readonly number[]): void {
    for (const fd of fds) if (this.#open.delete(fd)) closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.close(...this.#open);
  }
}
