/** TUN devices: the kernel hands IP packets to whoever holds the descriptor (spec tunnel.md 5.9). */
import { closeSync, openSync } from 'node:fs';
import { TunnelError } from '../tunnel-device.ts';
import { errnoName, libc } from './libc.ts';

const setInterface = 0x400454ca;
const requestBytes = 40;
/** IFF_TUN, IFF_NO_PI: packets as they are. IFF_TUN_EXCL: one that is there already is somebody else's, never attached to. */
const flags = 0x9001;
export const interfaceNameBytesMax = 15;

function refused(what: string, reason: string): TunnelError {
  const fix =
    'this needs /dev/net/tun (container: --device /dev/net/tun) and CAP_NET_ADMIN (container: --cap-add NET_ADMIN)';
  return new TunnelError('TUNNEL_BACKEND_MISSING', `${what}: ${reason}; ${fix}`);
}

/**
 * Makes the TUN interface `name` in the caller's network namespace and gives its descriptor. Closing it removes the
 * interface.
 * @throws TunnelError TUNNEL_BACKEND_MISSING without the device file or the right, or when the name is in use.
 */
export function openTun(name: string): number {
  const request = new Uint8Array(requestBytes);
  const written = new TextEncoder().encode(name);
  if (written.length === 0 || written.length > interfaceNameBytesMax)
    throw refused(`TUN '${name}'`, 'a name has 1 to 15 bytes');
  request.set(written);
  new DataView(request.buffer).setUint16(16, flags, true);
  let fd: number;
  try {
    fd = openSync('/dev/net/tun', 'r+');
  } catch (error) {
    throw refused('/dev/net/tun', (error as NodeJS.ErrnoException).code ?? 'cannot be opened');
  }
  if (libc().ioctl(fd, setInterface, request) < 0) {
    const reason = errnoName(libc().errno());
    closeSync(fd);
    throw refused(`TUN ${name}`, reason);
  }
  return fd;
}
