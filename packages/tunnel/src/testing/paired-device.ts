/** A device in memory: two of them agree whenever they hold the same PSK for one another, as WireGuard's handshake does. */
import { publicKeyOf } from '@labmesh/wireguard/noise/x25519';
import type {
  DeviceConfig,
  Endpoint,
  PeerConfig,
  PeerPlace,
  PeerState,
  TunnelDevice,
} from '@labmesh/wireguard/tunnel-device';

type Held = PeerConfig & { lastHandshakeMs: number | undefined };
const hexOf = (key: Uint8Array) => Buffer.from(key).toString('hex');

export class PairedDevice implements TunnelDevice {
  readonly backend = 'memory';
  readonly config: DeviceConfig;
  readonly listenPort = 51_820;
  readonly held = new Map<string, Held>();
  publicKey: Uint8Array;
  cuts = 0;

  constructor(config: DeviceConfig, publicKey: Uint8Array) {
    this.config = config;
    this.publicKey = publicKey;
  }

  /** WireGuard's handshake of the two, now; false: their PSKs differ, or one does not know the other. */
  static shakeHands(one: PairedDevice, two: PairedDevice, atMs = Date.now()): boolean {
    const [atOne, atTwo] = [one.held.get(hexOf(two.publicKey)), two.held.get(hexOf(one.publicKey))];
    if (atOne === undefined || atTwo === undefined) return false;
    if (hexOf(atOne.presharedKey) !== hexOf(atTwo.presharedKey)) return false;
    atOne.lastHandshakeMs = atTwo.lastHandshakeMs = atMs;
    return true;
  }

  plan = () => [];
  open = () => Promise.resolve();
  setPeer(peer: PeerConfig): Promise<void> {
    const key = hexOf(peer.publicKey);
    const { lastHandshakeMs, address } = this.held.get(key) ?? {};
    this.held.set(key, {
      ...peer,
      address: peer.address ?? address,
      presharedKey: peer.presharedKey.slice(),
      lastHandshakeMs,
    });
    return Promise.resolve();
  }
  movePeer(publicKey: Uint8Array, endpoint: Endpoint): Promise<void> {
    const peer = this.held.get(hexOf(publicKey));
    if (peer !== undefined) peer.endpoint = endpoint;
    return Promise.resolve();
  }
  setPsk(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<Uint8Array | undefined> {
    const peer = this.held.get(hexOf(publicKey));
    if (peer === undefined) return Promise.resolve(undefined);
    peer.presharedKey = presharedKey.slice();
    return Promise.resolve(presharedKey.slice());
  }
  cutPeer(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<boolean> {
    const peer = this.held.get(hexOf(publicKey));
    if (peer === undefined) return Promise.resolve(false);
    this.cuts++;
    Object.assign(peer, { presharedKey: presharedKey.slice(), lastHandshakeMs: undefined });
    return Promise.resolve(true);
  }
  removePeer(publicKey: Uint8Array): Promise<void> {
    this.held.delete(hexOf(publicKey));
    return Promise.resolve();
  }
  setPrivateKey(privateKey: Uint8Array): Promise<void> {
    this.publicKey = publicKeyOf(privateKey);
    return Promise.resolve();
  }
  handOver(from: Uint8Array, { publicKey, address, keepaliveS }: PeerPlace): Promise<boolean> {
    const peer = this.held.get(hexOf(publicKey));
    if (peer === undefined) return Promise.resolve(false);
    Object.assign(peer, { address, keepaliveS });
    this.held.delete(hexOf(from));
    return Promise.resolve(true);
  }
  peers(): Promise<PeerState[]> {
    const states = [...this.held.values()].map(({ publicKey, address, endpoint, keepaliveS, lastHandshakeMs }) => {
      return { publicKey, address, endpoint, keepaliveS, lastHandshakeMs, rxBytes: 0, txBytes: 0 };
    });
    return Promise.resolve(states);
  }
  answerFor = (addresses: ReadonlySet<string>) => Promise.resolve(addresses);
  watch = () => undefined;
  inside = <T>(work: () => T): T => work();
  [Symbol.asyncDispose] = () => Promise.resolve();
}
