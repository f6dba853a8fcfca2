/**
 * A network namespace without a name, held by a descriptor, and the way in and back (spec tunnel.md I3, I6). Only the
 * calling thread moves, for the length of a synchronous function; its sockets stay where they were opened. When the way
 * back fails the process ends: everything after would run in the wrong network.
 */
import { openSync } from 'node:fs';
import { errnoName, libc } from '../ffi/libc.ts';
import { TunnelError } from '../tunnel-device.ts';

const newNet = 0x40000000;
const place = '/proc/thread-self/ns/net';
export const lostNamespaceExitCode = 70;

function abort(why: string): never {
  process.stderr.write(`${why}: ending, since all sockets would be opened in the tunnel's network\n`);
  // oxlint-disable-next-line unicorn/no-process-exit -- no error handler may run on in the wrong namespace (I6)
  process.exit(lostNamespaceExitCode);
}

/** The namespace of this thread before it first left it; held for ever. */
let home: number | undefined;
/** The namespace this thread is in now, by its descriptor; undefined: at home. */
let current: number | undefined;

function homeFd(): number {
  home ??= openSync(place, 'r');
  return home;
}

function goHome(): void {
  if (home === undefined || libc().setns(home, newNet) < 0) {
    abort(`the way back from the network namespace failed (${errnoName(libc().errno())})`);
  }
  current = undefined;
}

function refused(what: string): TunnelError {
  const reason = `${what}: ${errnoName(libc().errno())}`;
  return new TunnelError('TUNNEL_ISOLATION_UNAVAILABLE', `${reason}; this needs CAP_SYS_ADMIN`);
}

export class NetworkNamespace implements Disposable {
  /** For moving interfaces here; valid until disposed. */
  readonly fd: number;
  #open = true;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** A fresh namespace. @throws TunnelError TUNNEL_ISOLATION_UNAVAILABLE without the right to make one. */
  static create(): NetworkNamespace {
    if (current !== undefined) throw new Error('a namespace cannot be made within another');
    // Threads start where their parent is. Those of the garbage collector start now rather than inside, where they
    // would hold the namespace for ever.
    Bun.gc(true);
    homeFd();
    if (libc().unshare(newNet) < 0) throw refused('no network namespace could be made');
    try {
      return new NetworkNamespace(openSync(place, 'r'));
    } finally {
      goHome();
    }
  }

  /**
   * Runs `work` in this namespace: sockets, listeners and files below /proc/sys/net that it opens are of this one.
   * @throws TunnelError TUNNEL_ISOLATION_UNAVAILABLE when this thread may not enter; then `work` did not run.
   */
  inside<T>(work: () => T): T {
    if (current === this.fd && this.#open) return work();
    if (current !== undefined) throw new Error('a namespace cannot be entered from within another');
    if (!this.#open) throw new Error('the namespace is closed');
    homeFd();
    if (libc().setns(this.fd, newNet) < 0) throw refused('the network namespace cannot be entered');
    current = this.fd;
    try {
      const result = work();
      if (result instanceof Promise) throw new TypeError('work inside a namespace must not wait');
      return result;
    } finally {
      goHome();
    }
  }

  /** Gives the descriptor back; the kernel removes the namespace with its interfaces when nobody else holds it. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    libc().close(this.fd);
  }
}
