/** The native data plane, asked and told like any other (`WireguardControl`). */
import { isIPv4 } from 'node:net';
import type { PeerConfig, PeerState } from '../tunnel-device.ts';
import type { DeviceChange, DeviceReading, PeerChange, WireguardControl } from '../wireguard-control.ts';
import type { NativeEngine } from './native-engine.ts';

const same = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b);
const hostNetwork = (address: string) => `${address}/${isIPv4(address) ? 32 : 128}`;

export class NativeControl implements WireguardControl {
  readonly #engine: NativeEngine;

  constructor(engine: NativeEngine) {
    this.#engine = engine;
  }

  read(): Promise<DeviceReading> {
    const peers = this.#engine.peers().map((peer) => ({
      ...peer,
      presharedKey: this.#engine.presharedKeyOf(peer.publicKey) ?? new Uint8Array(32),
      allowedIps: peer.address === undefined ? [] : [hostNetwork(peer.address)],
    }));
    return Promise.resolve({ privateKey: this.#engine.privateKey(), listenPort: this.#engine.port, peers });
  }

  presharedKeyOf(publicKey: Uint8Array): Uint8Array | undefined {
    return this.#engine.presharedKeyOf(publicKey);
  }

  /** The port of the device is the one it was opened with. @throws RangeError for a peer that cannot be. */
  async write({ privateKey, replacePeers, peers = [] }: DeviceChange): Promise<void> {
    if (privateKey !== undefined) this.#engine.setPrivateKey(privateKey);
    if (replacePeers === true) for (const { publicKey } of this.#engine.peers()) this.#engine.removePeer(publicKey);
    for (const [at, change] of peers.entries()) {
      const next = peers[at + 1];
      const cut = change.remove === true && next !== undefined && same(change.publicKey, next.publicKey);
      if (cut && next.presharedKey !== undefined) this.#engine.cutPeer(change.publicKey, next.presharedKey);
      else if (change.remove === true) this.#engine.removePeer(change.publicKey);
      else await this.#update(change);
    }
  }

  async #update(change: PeerChange): Promise<void> {
    const { publicKey, presharedKey } = change;
    const known = this.#engine.peer(publicKey);
    if (known === undefined && change.updateOnly === true) return;
    const onlyKey =
      change.endpoint === undefined && change.keepaliveS === undefined && change.onlyAddress === undefined;
    if (known !== undefined && presharedKey !== undefined && onlyKey) this.#engine.setPsk(publicKey, presharedKey);
    else await this.#engine.setPeer(this.#merged(change, known));
  }

  #merged(change: PeerChange, known: PeerState | undefined): PeerConfig {
    const { publicKey } = change;
    return {
      publicKey,
      presharedKey: change.presharedKey ?? this.#engine.presharedKeyOf(publicKey) ?? new Uint8Array(32),
      address: change.onlyAddress ?? known?.address,
      endpoint: change.endpoint,
      keepaliveS: change.keepaliveS ?? known?.keepaliveS ?? 0,
    };
  }

  /** The engine ends with its interface. */
  [Symbol.dispose](): void {}
}
