/**
 * A data plane at work: a TUN on one side, UDP on the other, timers by the event loop (spec tunnel.md 5.9). Everything
 * runs on this thread but for waiting.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '@labmesh/kit/clock';
import sodium from 'libsodium-wrappers';
import type { AeadProvider } from '../aead/aead-provider.ts';
import { DataPlane } from '../dataplane/data-plane.ts';
import { Drops } from '../dataplane/drops.ts';
import { plainAddress } from '../dataplane/ip-address.ts';
import { TimestampSource, type TimestampStore } from '../noise/tai64n.ts';
import { publicKeyOf } from '../noise/x25519.ts';
import type { DeviceConfig, PeerConfig, PeerState } from '../tunnel-device.ts';
import type { DatagramPorts, OnDatagram } from './datagram-ports.ts';
import { openPorts } from './open-ports.ts';
import { watchOwnAddresses } from './own-addresses.ts';
import { TunPort } from './tun-port.ts';

export type EngineParts = {
  /** An open TUN, taken over. */
  tunFd: number;
  aead: AeadProvider;
  timestamps: TimestampStore;
  clock?: Pick<Clock, 'now' | 'wall'>;
};

/** Timers need no more exactness than this, and a busy hub has many. */
const tickMs = 20;

export class NativeEngine implements AsyncDisposable {
  readonly drops = new Drops();
  readonly #clock: Pick<Clock, 'now' | 'wall'>;
  readonly #privateKey: Uint8Array;
  readonly #plane: DataPlane;
  readonly #ports: DatagramPorts;
  readonly #tun: TunPort;
  readonly #watch: Disposable;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAtMs = Infinity;
  #closed = false;

  private constructor(config: DeviceConfig, parts: EngineParts, ports: DatagramPorts) {
    const clock = parts.clock ?? systemClock;
    this.#clock = clock;
    const privateKey = config.privateKey.slice();
    this.#privateKey = privateKey;
    const stamps = new TimestampSource(parts.timestamps, () => clock.wall());
    const context = {
      own: { privateKey, publicKey: publicKeyOf(privateKey) },
      aead: parts.aead,
      drops: this.drops,
      output: {
        send: (buffer: Uint8Array, start: number, length: number, path: Parameters<DatagramPorts['send']>[1]) =>
          ports.send(buffer.subarray(start, start + length), path),
        deliver: (buffer: Uint8Array, start: number, length: number) => {
          if (!this.#tun.write(buffer, start, length)) this.drops.count('short_write');
        },
        unanswered: (path: Parameters<DatagramPorts['renew']>[0]) => ports.renew(path),
      },
      random: (length: number) => new Uint8Array(randomBytes(length)),
      timestamp: () => stamps.next(),
      wall: () => clock.wall(),
      jitter: Math.random,
    };
    this.#plane = new DataPlane(context, config);
    this.#ports = ports;
    this.#watch = watchOwnAddresses(config.name, () => this.#moved());
    this.#tun = new TunPort(parts.tunFd, config.mtu, {
      packet: (buffer, start, length) => this.#plane.fromTunnel(buffer, start, length, this.#clock.now()),
      burstEnded: () => this.#settle(),
    });
  }

  /** @throws what the bind of a listening address says; the TUN stays open then. */
  static async open(config: DeviceConfig, parts: EngineParts): Promise<NativeEngine> {
    // Cookies are sealed by it, whoever seals the packets.
    await sodium.ready;
    let engine: NativeEngine | undefined;
    const onDatagram: OnDatagram = (datagram, address, port, via) => engine?.take(datagram, address, port, via);
    const ports = await openPorts(config.listen, onDatagram);
    try {
      engine = new NativeEngine(config, parts, ports);
      return engine;
    } catch (error) {
      ports.close();
      throw error;
    }
  }

  get port(): number {
    return this.#ports.port;
  }

  /** Packets that wait for a session. */
  get queued(): number {
    return this.#plane.queued;
  }

  async setPeer(peer: PeerConfig): Promise<void> {
    const endpoint = peer.endpoint && { ...peer.endpoint, address: plainAddress(peer.endpoint.address) };
    if (endpoint !== undefined) await this.#ports.reach(peer.publicKey.toHex(), endpoint);
    if (this.#closed) return;
    this.#plane.setPeer({ ...peer, endpoint }, this.#clock.now());
    this.#settle();
  }

  setPsk(publicKey: Uint8Array, presharedKey: Uint8Array): Uint8Array | undefined {
    const held = this.#plane.setPsk(publicKey, presharedKey, this.#clock.now());
    this.#settle();
    return held;
  }

  cutPeer(publicKey: Uint8Array, presharedKey: Uint8Array): boolean {
    const found = this.#plane.cutPeer(publicKey, presharedKey, this.#clock.now());
    this.#settle();
    return found;
  }

  removePeer(publicKey: Uint8Array): void {
    this.#plane.removePeer(publicKey);
    this.#ports.leave(publicKey.toHex());
  }

  peers(): PeerState[] {
    return this.#plane.peers();
  }

  peer(publicKey: Uint8Array): PeerState | undefined {
    return this.#plane.peer(publicKey);
  }

  setPrivateKey(privateKey: Uint8Array): void {
    this.#plane.setPrivateKey(privateKey, this.#clock.now());
    this.#settle();
  }

  /** A copy, to be zeroed by whoever asked. */
  privateKey(): Uint8Array {
    return this.#privateKey.slice();
  }

  /** A copy, to be zeroed by whoever asked; undefined: no such peer. */
  presharedKeyOf(publicKey: Uint8Array): Uint8Array | undefined {
    return this.#plane.presharedKeyOf(publicKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watch[Symbol.dispose]();
    this.#ports.close();
    this.#plane.wipe();
    await this.#tun[Symbol.asyncDispose]();
  }

  /** A datagram of the network. */
  take(datagram: Uint8Array, address: string, port: number, via: number): void {
    if (this.#closed) return;
    this.#plane.fromNetwork(datagram, address, port, via, this.#clock.now());
    this.#settle();
  }

  /** After each piece of work: what it sent leaves, what it made due is waited for. */
  #settle(): void {
    const lost = this.#ports.flush();
    if (lost > 0) this.drops.count('short_write', lost);
    if (this.#plane.deadline >= this.#timerAtMs || this.#closed) return;
    clearTimeout(this.#timer);
    const now = this.#clock.now();
    this.#timerAtMs = Math.max(this.#plane.deadline, now + tickMs);
    this.#timer = setTimeout(() => this.#tick(), this.#timerAtMs - now);
    this.#timer.unref();
  }

  #moved(): void {
    void this.#ports.moved().then(() => {
      if (this.#closed) return;
      this.#plane.announce(this.#clock.now());
      this.#settle();
    });
  }

  #tick(): void {
    this.#timerAtMs = Infinity;
    this.#plane.tick(this.#clock.now());
    this.#settle();
  }
}
