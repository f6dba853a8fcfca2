/**
 * The C library through bun:ffi: what sockets of netlink, network namespaces and TUN devices need and the runtime does
 * not have. The list is all that can ever be called; files are opened by node:fs.
 */
import { dlopen, read } from 'bun:ffi';
import { constants } from 'node:os';
import { TunnelError } from '../tunnel-device.ts';

/** All that is ever called of libc (spec tunnel.md R6). Results of -1 mean: look at `errno`. */
export const libcSymbols = {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i32' },
  recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
  setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
  ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  read: { args: ['i32', 'ptr', 'u64'], returns: 'i32' },
  write: { args: ['i32', 'ptr', 'u64'], returns: 'i32' },
  poll: { args: ['ptr', 'u64', 'i32'], returns: 'i32' },
  setns: { args: ['i32', 'i32'], returns: 'i32' },
  unshare: { args: ['i32'], returns: 'i32' },
  prctl: { args: ['i32', 'u64', 'u64', 'u64', 'u64'], returns: 'i32' },
  __errno_location: { args: [], returns: 'ptr' },
} as const;

export type Libc = Omit<ReturnType<typeof load>, '__errno_location'> & {
  /** Why the call before failed; to be read at once. */
  errno(): number;
};

function load(library: string) {
  return dlopen(library, libcSymbols).symbols;
}

/** @throws TunnelError TUNNEL_BACKEND_MISSING: no glibc here (Alpine has musl). */
export function openLibc(library = 'libc.so.6'): Libc {
  let symbols: ReturnType<typeof load>;
  try {
    symbols = load(library);
  } catch (cause) {
    throw new TunnelError('TUNNEL_BACKEND_MISSING', `${library} cannot be loaded: tunnels need Linux with glibc`, {
      cause,
    });
  }
  const place = symbols.__errno_location();
  if (place === null) throw new TunnelError('TUNNEL_BACKEND_MISSING', `${library} has no errno`);
  return { ...symbols, errno: () => read.i32(place, 0) };
}

let opened: Libc | undefined;

/** The C library of this thread, loaded once (errno belongs to the thread). */
export function libc(): Libc {
  opened ??= openLibc();
  return opened;
}

/** Numbers of errors that decide something here. */
export const errnos = constants.errno;

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** `ENODEV` for 19. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}
