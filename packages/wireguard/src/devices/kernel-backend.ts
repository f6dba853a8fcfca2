/** WireGuard of the kernel, by generic netlink (spec tunnel.md R4, 5.10). */
import type { Isolation } from '../isolation/isolation.ts';
import { familyId } from '../netlink/generic-netlink.ts';
import { createLink } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { getDevice, setDevice } from '../netlink/wireguard-requests.ts';
import { type DeviceConfig, TunnelError } from '../tunnel-device.ts';
import type { DeviceChange, DeviceReading, WireguardControl } from '../wireguard-control.ts';
import type { LinkBackend } from './link-backend.ts';

const family = 'wireguard';

/** Why the kernel cannot do it, or undefined. Asking may load its module. */
export function kernelMissing(): string | undefined {
  try {
    using socket = new NetlinkSocket('generic');
    return familyId(socket, family) === undefined ? 'Unknown device type (module wireguard not loaded)' : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown';
  }
}

class KernelControl implements WireguardControl {
  readonly #socket: NetlinkSocket;
  readonly #family: number;
  readonly #name: string;

  constructor(socket: NetlinkSocket, familyNumber: number, name: string) {
    this.#socket = socket;
    this.#family = familyNumber;
    this.#name = name;
  }

  read(): Promise<DeviceReading> {
    return Promise.resolve(getDevice(this.#socket, this.#family, this.#name));
  }

  async write(change: DeviceChange): Promise<void> {
    setDevice(this.#socket, this.#family, this.#name, change);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** The interface is looked up in the socket's namespace, so the socket is opened there. */
function openControl({ name }: DeviceConfig, isolation: Isolation): WireguardControl {
  const socket = isolation.inside(() => new NetlinkSocket('generic'));
  const found = familyId(socket, family);
  if (found !== undefined) return new KernelControl(socket, found, name);
  socket[Symbol.dispose]();
  throw new TunnelError('TUNNEL_BACKEND_MISSING', `kernel: ${kernelMissing() ?? 'the family is gone'}`);
}

export const kernelBackend: LinkBackend = {
  name: 'kernel',
  kind: 'wireguard',
  innerFilter: false,
  bornOutside: true,
  attached: false,
  describe: (name) => `create wireguard ${name}`,
  create: ({ name }, socket) => createLink(socket, 'wireguard', name),
  control: async (config, isolation) => openControl(config, isolation),
};
