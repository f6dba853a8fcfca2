import type { Session } from '../noise/session.ts';
import type { AddressKey } from './ip-address.ts';
import type { Peer } from './peer.ts';

/** Peers of one device (spec tunnel.md D7). */
export const peersMax = 20_000;

const keyText = (publicKey: Uint8Array) => Buffer.from(publicKey).toString('base64');

/** The peers by public key and by tunnel address. */
export class PeerTable {
  readonly #byKey = new Map<string, Peer>();
  readonly #byAddress = new Map<AddressKey, Peer>();

  byPublicKey(publicKey: Uint8Array): Peer | undefined {
    return this.#byKey.get(keyText(publicKey));
  }

  byAddress(key: AddressKey): Peer | undefined {
    return this.#byAddress.get(key);
  }

  all(): IterableIterator<Peer> {
    return this.#byKey.values();
  }

  /** @throws RangeError past `peersMax`. */
  add(peer: Peer): void {
    if (this.#byKey.size >= peersMax) throw new RangeError(`a device has at most ${peersMax} peers`);
    this.#byKey.set(keyText(peer.publicKey), peer);
  }

  /** Gives the peer its tunnel address; a peer that had it has none afterwards. */
  move(peer: Peer, address: string, key: AddressKey): void {
    const before = this.#byAddress.get(key);
    if (before !== undefined && before !== peer) [before.address, before.addressKey] = ['', ''];
    if (this.#byAddress.get(peer.addressKey) === peer) this.#byAddress.delete(peer.addressKey);
    [peer.address, peer.addressKey] = [address, key];
    this.#byAddress.set(key, peer);
  }

  remove(peer: Peer): void {
    this.#byKey.delete(keyText(peer.publicKey));
    if (this.#byAddress.get(peer.addressKey) === peer) this.#byAddress.delete(peer.addressKey);
  }
}

export type IndexOwner = { peer: Peer; session: Session | undefined };

/** Our 32-bit indexes, by which messages find their handshake or session. */
export class IndexTable {
  readonly #owners = new Map<number, IndexOwner>();
  readonly #random: (length: number) => Uint8Array;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** A fresh random index for a handshake of this peer. */
  draw(peer: Peer): number {
    for (;;) {
      const [a = 0, b = 0, c = 0, d = 0] = this.#random(4);
      const index = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      if (this.#owners.has(index)) continue;
      this.#owners.set(index, { peer, session: undefined });
      return index;
    }
  }

  /** The handshake of this index became a session. */
  bind(session: Session): void {
    const owner = this.#owners.get(session.localIndex);
    if (owner !== undefined) owner.session = session;
  }

  get(index: number): IndexOwner | undefined {
    return this.#owners.get(index);
  }

  release(index: number): void {
    this.#owners.delete(index);
  }
}
