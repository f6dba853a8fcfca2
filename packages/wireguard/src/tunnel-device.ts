/**
 * The port of every WireGuard device (spec tunnel.md R3). Four backends stand behind it: kernel (netlink), wireguard-go
 * (attached through its UAPI socket), native (own data plane on a TUN) and memory (for tests). Keys are raw 32-byte
 * arrays; base64 and hex exist at the edges only. `plan` is data, `open` runs exactly that list.
 */

export type BackendName = 'kernel' | 'wireguard-go' | 'native' | 'memory';
export type IsolationKind = 'netns' | 'filter' | 'none';

/** An address of the outside: the UDP socket of a peer. */
export type Endpoint = { address: string; port: number };

export type DeviceRole =
  /** A site's end: one peer, one service (the proxy) that the hub may reach. */
  | { kind: 'node'; hubAddress: string; proxyPort: number }
  /** The controller's end: a peer and a /32 route per node, nothing that a node may reach. */
  | { kind: 'hub' };

export type DeviceConfig = {
  name: string;
  /** `labmesh:labman` or `labmesh:labd`: who may touch the interface again (I12). */
  alias: string;
  role: DeviceRole;
  /** Own tunnel address without prefix length; /32 or /128 always. */
  address: string;
  /** Addresses that peers may have, as CIDR. */
  range: string;
  mtu: number;
  privateKey: Uint8Array;
  /** UDP addresses to listen on and their port; undefined: a random port, for a node that only dials out. */
  listen?: { addresses: readonly string[]; port: number };
  isolation: IsolationKind;
};

/** One step of `open`, in order, as the operator reads it. */
export type DeviceStep = { step: string; detail: string };

export type PeerConfig = {
  publicKey: Uint8Array;
  /** 32 bytes; never left out (Q1). */
  presharedKey: Uint8Array;
  /** The peer's tunnel address; its only allowed IP. Absent: it may shake hands, and nothing of it passes (a next key, K8). */
  address?: string | undefined;
  endpoint?: Endpoint;
  keepaliveS: number;
};

/** Where a peer is to be. `endpoint`: only while the device has heard nothing of it. */
export type PeerPlace = { publicKey: Uint8Array; address: string; endpoint?: Endpoint | undefined; keepaliveS: number };

export type PeerState = {
  publicKey: Uint8Array;
  address: string | undefined;
  endpoint: Endpoint | undefined;
  keepaliveS: number;
  /** Wall clock, ms since 1970; undefined before the first handshake. */
  lastHandshakeMs: number | undefined;
  rxBytes: number;
  txBytes: number;
};

export type DeviceEvent =
  | { kind: 'gone' }
  | {
      kind: 'changed';
      what: 'link' | 'mtu' | 'address' | 'route' | 'forwarding' | 'table';
      detail: string;
      restored: boolean;
    }
  | { kind: 'isolation_lost'; detail: string }
  | { kind: 'isolation_restored' };

export interface TunnelDevice extends AsyncDisposable {
  readonly backend: BackendName;
  readonly config: DeviceConfig;
  /** UDP port in use, known once open. */
  readonly listenPort: number;
  /** What `open` does, as data; touches nothing. */
  plan(): readonly DeviceStep[];
  /** @throws TunnelError with the code of spec 2.9. Leaves nothing behind when it fails. */
  open(): Promise<void>;
  /** Adds the peer, or gives it these settings. A hub adds the /32 route too. */
  setPeer(peer: PeerConfig): Promise<void>;
  /** Update only: where the peer is dialled from now on. Its session and its key stay (Q4). */
  movePeer(publicKey: Uint8Array, endpoint: Endpoint): Promise<void>;
  /** Update only: gives the key that the device now holds (read back), or undefined when the peer is no longer there. */
  setPsk(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<Uint8Array | undefined>;
  /** Removes the peer and adds it again with this PSK in one request: its session is gone (Q4). False: not there. */
  cutPeer(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<boolean>;
  removePeer(publicKey: Uint8Array): Promise<void>;
  /**
   * Another private key (K8): sessions go on receiving, what is sent next shakes hands anew, and that is begun at once with
   * peers that are kept alive.
   */
  setPrivateKey(privateKey: Uint8Array): Promise<void>;
  /** The peer `to` takes the address of `from`, which is removed, in one request (K8). False: there is no `to`; nothing is done. */
  handOver(from: Uint8Array, to: PeerPlace): Promise<boolean>;
  peers(): Promise<PeerState[]>;
  /**
   * A hub alone (H6): this machine itself answers at exactly these addresses of its range, which are peers of other hubs; a
   * peer's own address stays the peer's, now and when it comes. Gives the addresses that are in force.
   * @throws RangeError for more than 4,096; TunnelError NETLINK_FAILED
   */
  answerFor(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>>;
  /** Events of the device until the signal ends it. */
  watch(listener: (event: DeviceEvent) => void, signal: AbortSignal): void;
  /**
   * Runs a synchronous function where the tunnel address lives (its network namespace, or here): a listener bound in it
   * is bound to the tunnel. Never awaits (I6).
   */
  inside<T>(work: () => T): T;
}

export type TunnelErrorCode =
  | 'TUNNEL_BACKEND_MISSING'
  | 'TUNNEL_ISOLATION_UNAVAILABLE'
  | 'TUNNEL_NAME_TAKEN'
  | 'TUNNEL_ADDRESS_REFUSED'
  | 'NETLINK_FAILED'
  | 'UAPI_FAILED';

/** Says what is wrong and the way out; never holds a key. `exitCode`: 5 missing right or backend, 6 name taken (spec 2.2). */
export class TunnelError extends Error {
  override readonly name = 'TunnelError';
  readonly code: TunnelErrorCode;
  readonly exitCode: number;
  constructor(code: TunnelErrorCode, message: string, options?: ErrorOptions & { exitCode?: number }) {
    super(message, options);
    this.code = code;
    this.exitCode = options?.exitCode ?? 5;
  }
}
