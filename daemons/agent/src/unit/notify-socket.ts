/**
 * One datagram to systemd (sd_notify(3)). The runtime has no unix datagrams, so the C library sends it (AG-10): no process
 * for each beat of the watchdog.
 */
import { dlopen, ptr } from 'bun:ffi';
import { closeSync } from 'node:fs';

/** Names of the C library: glibc, then musl by architecture. */
const names = ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`, 'libc.so'];
/** Linux on x64 and arm64. */
const afUnix = 1;
const datagram = 2 | 0o2000000; // SOCK_CLOEXEC
const noSignal = 0x4000;
const noWait = 0x40;
/** sun_path of sockaddr_un. */
const pathBytesMax = 108;

function load() {
  let last: unknown;
  for (const name of names) {
    try {
      return dlopen(name, {
        socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
        sendto: { args: ['i32', 'ptr', 'u64', 'i32', 'ptr', 'u32'], returns: 'i64' },
      }).symbols;
    } catch (error) {
      last = error;
    }
  }
  throw new Error('no C library was found', { cause: last });
}

let loaded: ReturnType<typeof load> | undefined;

/** struct sockaddr_un; `@…` is a name in the abstract namespace, whose length counts. @throws Error when it is too long. */
export function socketAddress(path: string): Uint8Array {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > pathBytesMax) throw new Error('the path of the notify socket is too long');
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, afUnix, true);
  address.set(name, 2);
  return address;
}

/** Sends lines such as `READY=1` to the socket of `NOTIFY_SOCKET`. False: nobody took them. @throws Error without libc. */
export function notifySystemd(path: string, lines: readonly string[]): boolean {
  const libc = (loaded ??= load());
  const address = socketAddress(path);
  const text = Buffer.from(lines.join('\n'));
  const socket = libc.socket(afUnix, datagram, 0);
  if (socket < 0) return false;
  try {
    const sent = libc.sendto(socket, ptr(text), text.length, noSignal | noWait, ptr(address), address.length);
    return Number(sent) === text.length;
  } finally {
    closeSync(socket);
  }
}
