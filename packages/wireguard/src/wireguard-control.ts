/** What the WireGuard side of a device can be asked, whoever carries it: the kernel's netlink or wireguard-go's socket. */
import type { Endpoint } from './tunnel-device.ts';

/** One peer's change. Fields left out stay as they are. */
export type PeerChange = {
  publicKey: Uint8Array;
  remove?: boolean;
  /** Never makes the peer (Q2: a late key must not bring a removed peer back). */
  updateOnly?: boolean;
  presharedKey?: Uint8Array;
  endpoint?: Endpoint;
  keepaliveS?: number;
  /** Becomes its only allowed IP, as /32 or /128. */
  onlyAddress?: string;
};

export type DeviceChange = {
  privateKey?: Uint8Array;
  listenPort?: number;
  replacePeers?: boolean;
  /** In order: a peer may be removed and added again in one request (Q4). */
  peers?: readonly PeerChange[];
};

export type PeerReading = {
  publicKey: Uint8Array;
  /** A copy, to be zeroed by whoever asked. */
  presharedKey: Uint8Array;
  endpoint: Endpoint | undefined;
  keepaliveS: number;
  lastHandshakeMs: number | undefined;
  rxBytes: number;
  txBytes: number;
  /** As CIDR. */
  allowedIps: string[];
};

export type DeviceReading = {
  /** Undefined: none set yet. A copy, to be zeroed by whoever asked. */
  privateKey: Uint8Array | undefined;
  listenPort: number;
  peers: PeerReading[];
};

export interface WireguardControl extends Disposable {
  read(): Promise<DeviceReading>;
  /**
   * A copy of one peer's PSK, undefined when the peer is not there. Absent where the device lists all peers or none
   * (netlink, UAPI).
   */
  presharedKeyOf?(publicKey: Uint8Array): Uint8Array | undefined;
  /** @throws TunnelError NETLINK_FAILED or UAPI_FAILED; the message holds no key. */
  write(change: DeviceChange): Promise<void>;
}

/** Zeroes the keys of a reading. */
export function wipeReading(reading: DeviceReading): void {
  reading.privateKey?.fill(0);
  for (const peer of reading.peers) peer.presharedKey.fill(0);
}
