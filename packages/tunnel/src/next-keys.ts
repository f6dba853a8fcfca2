/**
 * Next WireGuard keys of peers (K8). One stands in the device beside the peer's present key, with the same PSK and no
 * address: it may shake hands, and nothing of it passes. Its first handshake proves that the other end uses it now.
 *
 *     set ──▶ waits, random PSK ──exchange──▶ may shake hands ──take──▶ has the peer's address; the present key is gone
 */
import type { PskManager } from '@labmesh/wireguard/psk/psk-manager';
import type { TunnelDevice } from '@labmesh/wireguard/tunnel-device';
import type { TunnelPeerSettings } from './tunnel-peer.ts';

type NextKeysParts = {
  device: Pick<TunnelDevice, 'setPeer' | 'removePeer' | 'handOver' | 'peers'>;
  psks: Pick<PskManager, 'addNext' | 'dropNext' | 'takeNext'>;
};

const isSame = (one: Uint8Array | undefined, two: Uint8Array | undefined) =>
  one === undefined || two === undefined ? one === two : Buffer.compare(one, two) === 0;

export class NextKeys {
  readonly #parts: NextKeysParts;
  readonly #keys = new Map<string, Uint8Array>();

  constructor(parts: NextKeysParts) {
    this.#parts = parts;
  }

  get all(): IterableIterator<Uint8Array> {
    return this.#keys.values();
  }

  /**
   * From now on this one and no other waits for the peer, which is there; undefined: none. Gives whether it is another than
   * before. @throws what the device says
   */
  async set(id: string, key: Uint8Array | undefined): Promise<boolean> {
    if (isSame(this.#keys.get(id), key)) return false;
    await this.drop(id);
    if (key === undefined) return false;
    const { device, psks } = this.#parts;
    const presharedKey = psks.addNext(id, key);
    this.#keys.set(id, key);
    try {
      await device.setPeer({ publicKey: key, presharedKey, keepaliveS: 0 });
      return true;
    } catch (error) {
      this.#keys.delete(id);
      psks.dropNext(id);
      throw error;
    } finally {
      presharedKey.fill(0);
    }
  }

  /** @throws what the device says */
  async drop(id: string): Promise<void> {
    const key = this.#keys.get(id);
    if (key === undefined) return;
    await this.#parts.device.removePeer(key);
    this.#keys.delete(id);
    this.#parts.psks.dropNext(id);
  }

  /** The next key takes the place of the peer's present one. Gives it; undefined: there is none. @throws what the device says */
  async take({ id, wireguardPublicKey, ...place }: TunnelPeerSettings): Promise<Uint8Array | undefined> {
    const publicKey = this.#keys.get(id);
    if (publicKey === undefined) return undefined;
    const { address, endpoint, keepaliveS } = place;
    const { device, psks } = this.#parts;
    const to = { publicKey, address, endpoint, keepaliveS };
    const isTaken = await psks.takeNext(id, () => device.handOver(wireguardPublicKey, to));
    this.#keys.delete(id);
    return isTaken ? publicKey : undefined;
  }

  /**
   * The settings of a peer as they stand by now: whoever wrote them may not know yet that the next key was taken, by us or,
   * in a device that outlived it, by an earlier process. `present`: as we have the peer. @throws what the device says
   */
  async settle(settings: TunnelPeerSettings, present: Uint8Array | undefined): Promise<TunnelPeerSettings> {
    const { nextWireguardKey: next, address } = settings;
    if (next === undefined) return settings;
    const isTaken =
      present === undefined
        ? (await this.#parts.device.peers()).some((peer) => peer.address === address && isSame(peer.publicKey, next))
        : isSame(present, next);
    return isTaken ? { ...settings, wireguardPublicKey: next, nextWireguardKey: undefined } : settings;
  }
}
