/**
 * Tunnel devices without a network, for tests of what stands on them: sessions, keys and counters as WireGuard has
 * them, in one process and by a clock that is given.
 */
import { timingSafeEqual } from 'node:crypto';
import { publicKeyOf } from '../noise/x25519.ts';
import type {
  DeviceConfig,
  DeviceEvent,
  DeviceStep,
  Endpoint,
  PeerConfig,
  PeerPlace,
  PeerState,
  TunnelDevice,
} from '../tunnel-device.ts';

/** Life of a session, and when its initiator wants another (spec tunnel.md 5.9). */
const sessionMs = 180_000;
const renewMs = 120_000;

type Session = { sinceMs: number; initiator: MemoryDevice };

type MemoryPeer = Omit<PeerConfig, 'endpoint' | 'address'> & {
  address: string | undefined;
  endpoint: Endpoint | undefined;
  session: Session | undefined;
  lastHandshakeMs: number | undefined;
  rxBytes: number;
  txBytes: number;
};

const sameEndpoint = (a: Endpoint, b: Endpoint) => a.address === b.address && a.port === b.port;

/** The outside of some memory devices: who hears whom. */
export class MemoryNetwork {
  readonly #nowMs: () => number;
  readonly #devices = new Map<MemoryDevice, Endpoint>();
  #nextPort = 40_000;

  /** @param nowMs wall clock. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get nowMs(): number {
    return this.#nowMs();
  }

  /** Devices that are open, by name. */
  get names(): string[] {
    return [...this.#devices.keys()].map(({ config }) => config.name);
  }

  join(device: MemoryDevice): Endpoint {
    const { listen } = device.config;
    const endpoint = { address: listen?.addresses[0] ?? '127.0.0.1', port: listen?.port ?? this.#nextPort++ };
    this.#devices.set(device, endpoint);
    return endpoint;
  }

  leave(device: MemoryDevice): void {
    this.#devices.delete(device);
  }

  at(endpoint: Endpoint): MemoryDevice | undefined {
    return [...this.#devices].find(([, own]) => sameEndpoint(own, endpoint))?.[0];
  }

  endpointOf(device: MemoryDevice): Endpoint | undefined {
    return this.#devices.get(device);
  }
}

export class MemoryDevice implements TunnelDevice {
  readonly backend = 'memory';
  readonly config: DeviceConfig;
  readonly #network: MemoryNetwork;
  #publicKey: string;
  readonly #peers = new Map<string, MemoryPeer>();
  readonly #listeners = new Set<(event: DeviceEvent) => void>();
  #endpoint: Endpoint | undefined;

  constructor(config: DeviceConfig, network: MemoryNetwork) {
    this.config = config;
    this.#network = network;
    this.#publicKey = publicKeyOf(config.privateKey).toHex();
  }

  get listenPort(): number {
    return this.#endpoint?.port ?? 0;
  }

  plan(): readonly DeviceStep[] {
    return [{ step: 'memory', detail: 'nothing outside of this process' }];
  }

  async open(): Promise<void> {
    this.#endpoint = this.#network.join(this);
  }

  async setPeer(peer: PeerConfig): Promise<void> {
    const fresh = { session: undefined, lastHandshakeMs: undefined, rxBytes: 0, txBytes: 0 };
    const known = this.#peers.get(peer.publicKey.toHex());
    const endpoint = peer.endpoint ?? known?.endpoint;
    const presharedKey = peer.presharedKey.slice();
    const address = peer.address ?? known?.address;
    this.#peers.set(peer.publicKey.toHex(), { ...fresh, ...known, ...peer, address, endpoint, presharedKey });
  }

  async movePeer(publicKey: Uint8Array, endpoint: Endpoint): Promise<void> {
    const peer = this.#peers.get(publicKey.toHex());
    if (peer !== undefined) peer.endpoint = endpoint;
  }

  async setPsk(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<Uint8Array | undefined> {
    const peer = this.#peers.get(publicKey.toHex());
    if (peer === undefined) return undefined;
    peer.presharedKey = presharedKey.slice();
    return peer.presharedKey.slice();
  }

  async cutPeer(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<boolean> {
    const peer = this.#peers.get(publicKey.toHex());
    if (peer === undefined) return false;
    const { address, endpoint, keepaliveS } = peer;
    this.#peers.delete(publicKey.toHex());
    await this.setPeer({ publicKey, presharedKey, address, keepaliveS, ...(endpoint && { endpoint }) });
    return true;
  }

  async setPrivateKey(privateKey: Uint8Array): Promise<void> {
    this.#publicKey = publicKeyOf(privateKey).toHex();
    for (const peer of this.#peers.values()) peer.session = undefined;
  }

  async handOver(from: Uint8Array, to: PeerPlace): Promise<boolean> {
    const peer = this.#peers.get(to.publicKey.toHex());
    if (peer === undefined) return false;
    const endpoint = peer.endpoint ?? to.endpoint ?? this.#peers.get(from.toHex())?.endpoint;
    Object.assign(peer, { address: to.address, keepaliveS: to.keepaliveS, endpoint });
    this.#peers.delete(from.toHex());
    return true;
  }

  async removePeer(publicKey: Uint8Array): Promise<void> {
    this.#peers.delete(publicKey.toHex());
  }

  async peers(): Promise<PeerState[]> {
    return [...this.#peers.values()].map(({ session: _session, presharedKey: _psk, ...state }) => ({ ...state }));
  }

  async answerFor(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const taken = new Set([...this.#peers.values()].map(({ address }) => address));
    return new Set([...addresses].filter((address) => !taken.has(address)));
  }

  /** A packet to a peer, after a handshake where one is due. True: it arrived. */
  send(publicKey: Uint8Array, bytes: number): boolean {
    const peer = this.#peers.get(publicKey.toHex());
    const other = peer?.endpoint === undefined ? undefined : this.#network.at(peer.endpoint);
    if (peer === undefined || other === undefined || other.#publicKey !== publicKey.toHex()) return false;
    const theirs = other.#peers.get(this.#publicKey);
    if (theirs === undefined) return false;
    const ageMs = peer.session === undefined ? Infinity : this.#network.nowMs - peer.session.sinceMs;
    const isShared = peer.session !== undefined && peer.session === theirs.session && ageMs < sessionMs;
    const isDue = !isShared || (peer.session?.initiator === this && ageMs >= renewMs);
    if (isDue && !this.#handshake(peer, theirs) && !isShared) return false;
    if (peer.address === undefined || theirs.address === undefined) return false;
    peer.txBytes += bytes;
    theirs.rxBytes += bytes;
    theirs.endpoint = this.#network.endpointOf(this);
    return true;
  }

  #handshake(peer: MemoryPeer, theirs: MemoryPeer): boolean {
    if (!timingSafeEqual(peer.presharedKey, theirs.presharedKey)) return false;
    const session = { sinceMs: this.#network.nowMs, initiator: this };
    for (const side of [peer, theirs]) {
      side.session = session;
      side.lastHandshakeMs = session.sinceMs;
    }
    return true;
  }

  watch(listener: (event: DeviceEvent) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true });
  }

  /** For tests: what a real device would have noticed. */
  tell(event: DeviceEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  inside<T>(work: () => T): T {
    return work();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#network.leave(this);
    this.#peers.clear();
    this.#endpoint = undefined;
  }
}
