/** What differs between backends whose device is a network interface; `LinkDevice` does all that is common. */
import type { Isolation } from '../isolation/isolation.ts';
import type { NetlinkExchange } from '../netlink/netlink-socket.ts';
import type { DeviceConfig } from '../tunnel-device.ts';
import type { WireguardControl } from '../wireguard-control.ts';

export interface LinkBackend {
  readonly name: 'kernel' | 'wireguard-go' | 'native';
  /** The kernel's word for the interface. */
  readonly kind: 'wireguard' | 'tun';
  /** Every inner packet is checked by the data plane as well (I4). */
  readonly innerFilter: boolean;
  /** The interface comes to be in the host's namespace and is moved; otherwise it is made where it stays. */
  readonly bornOutside: boolean;
  /** Its process is not ours: the interface is there before us. */
  readonly attached: boolean;
  /** For the plan: how the interface comes to be. */
  describe(name: string): string;
  /**
   * May an interface of this name and kind without our mark be taken? Only an attached backend says yes, of a device
   * that nobody has set up yet.
   */
  isUnused?(name: string): Promise<boolean>;
  /** Makes the interface, in the caller's namespace; `socket` is of that namespace. An attached one is there. */
  create?(config: DeviceConfig, socket: NetlinkExchange): void;
  /** Opens the way to set keys and peers, where the interface stays. */
  control(config: DeviceConfig, isolation: Isolation): Promise<WireguardControl>;
  /** After the interface is gone: what else must end. */
  release?(config: DeviceConfig): Promise<void>;
}
