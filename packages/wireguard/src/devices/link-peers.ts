/** Peers of a device that is reached by requests, one after the other (spec tunnel.md Q2, Q4, H1). */
import { isInNetwork } from '../isolation/cidr.ts';
import { addHostRoute, deleteHostRoute } from '../netlink/addresses.ts';
import { type Endpoint, type PeerConfig, type PeerPlace, type PeerState, TunnelError } from '../tunnel-device.ts';
import { type PeerReading, wipeReading } from '../wireguard-control.ts';
import { AnsweredAddresses } from './answered-addresses.ts';
import type { Opening } from './open-link.ts';

type Asked = {
  publicKey: Uint8Array;
  resolve: (key: Uint8Array | undefined) => void;
  reject: (error: unknown) => void;
};

const sameKey = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

const addressOf = ({ allowedIps }: PeerReading) => allowedIps[0]?.split('/')[0];

export class LinkPeers {
  readonly #opening: Opening;
  /** Public key in hex by the address that the peer has. */
  readonly #owners = new Map<string, string>();
  readonly #answered: AnsweredAddresses;
  #last: Promise<unknown> = Promise.resolve();
  /** Who waits for the next reading of the device; they share it. */
  #asked: Asked[] = [];
  /** Keepalives that a change of the private key has turned off and not on again: the device has no note of them. */
  readonly #muted = new Map<string, { publicKey: Uint8Array; keepaliveS: number }>();

  constructor(opening: Opening) {
    this.#opening = opening;
    this.#answered = new AnsweredAddresses(opening);
  }

  /** One request after the other: what was read must still hold when the answer is written. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next.catch(() => {});
    return next;
  }

  #checkPeer({ address, publicKey, endpoint }: Pick<PeerConfig, 'publicKey' | 'endpoint'> & { address: string }): void {
    const { role, range, address: own } = this.#opening.config;
    const refuse = (rule: string) => {
      throw new TunnelError('TUNNEL_ADDRESS_REFUSED', `the peer's tunnel address ${address} ${rule}`);
    };
    if (role.kind === 'node' && address !== role.hubAddress) refuse(`is not the hub's, ${role.hubAddress}`);
    if (address === own) refuse('is our own');
    if (!isInNetwork(address, range)) refuse(`is outside of the range ${range}`);
    if (endpoint !== undefined) this.#checkPlace(endpoint);
    const owner = this.#owners.get(address);
    if (owner !== undefined && owner !== publicKey.toHex()) refuse('belongs to another peer');
  }

  /** WireGuard would send its own packets into itself. */
  #checkPlace({ address }: Endpoint): void {
    if (!isInNetwork(address, this.#opening.config.range)) return;
    const rule = `a peer cannot be reached by ${address}, an address within the tunnel`;
    throw new TunnelError('TUNNEL_ADDRESS_REFUSED', rule);
  }

  /** @throws TunnelError TUNNEL_ADDRESS_REFUSED, NETLINK_FAILED, UAPI_FAILED. */
  setPeer(peer: PeerConfig): Promise<void> {
    return this.#inTurn(async () => {
      const { address, ...rest } = peer;
      if (address === undefined) return this.#opening.control.write({ peers: [rest] });
      this.#checkPeer({ ...peer, address });
      const isKnown = this.#owners.has(address);
      // First, because it fails where another interface has the route.
      if (this.#opening.config.role.kind === 'hub') this.#setRoute(address);
      this.#owners.set(address, peer.publicKey.toHex());
      try {
        await this.#opening.control.write({ peers: [{ ...rest, onlyAddress: address }] });
      } catch (error) {
        if (!isKnown) this.#forgetAddress(address);
        throw error;
      }
      this.#forgetOthers(peer.publicKey, address);
    });
  }

  /** @throws as `setPeer` */
  movePeer(publicKey: Uint8Array, endpoint: Endpoint): Promise<void> {
    return this.#inTurn(async () => {
      this.#checkPlace(endpoint);
      await this.#opening.control.write({ peers: [{ publicKey, endpoint, updateOnly: true }] });
    });
  }

  #setRoute(address: string): void {
    this.#answered.yield(address);
    addHostRoute(this.#opening.socket, this.#opening.index, address);
    this.#opening.routes.add(address);
  }

  #forgetAddress(address: string): void {
    this.#owners.delete(address);
    if (!this.#opening.routes.delete(address)) return;
    deleteHostRoute(this.#opening.socket, this.#opening.index, address);
  }

  /** Addresses of that peer, save the one that it has from now on. */
  #forgetOthers(publicKey: Uint8Array, keep?: string): void {
    const hex = publicKey.toHex();
    const old = [...this.#owners].filter(([address, owner]) => owner === hex && address !== keep);
    for (const [address] of old) this.#forgetAddress(address);
  }

  async setPsk(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<Uint8Array | undefined> {
    const change = { publicKey, presharedKey, updateOnly: true };
    const { control } = this.#opening;
    await this.#inTurn(() => control.write({ peers: [change] }));
    if (control.presharedKeyOf !== undefined) return control.presharedKeyOf(publicKey);
    return this.#readBack(publicKey);
  }

  /** All who wrote before the next reading starts are answered by it: a hub lists all of its peers each time. */
  #readBack(publicKey: Uint8Array): Promise<Uint8Array | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
    this.#asked.push({ publicKey, resolve, reject });
    if (this.#asked.length === 1) void this.#inTurn(() => this.#answerAll());
    return promise;
  }

  async #answerAll(): Promise<void> {
    const asked = this.#asked;
    this.#asked = [];
    try {
      const reading = await this.#opening.control.read();
      const keys = new Map(reading.peers.map((peer) => [peer.publicKey.toHex(), peer.presharedKey]));
      for (const { publicKey, resolve } of asked) resolve(keys.get(publicKey.toHex())?.slice());
      wipeReading(reading);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  cutPeer(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<boolean> {
    return this.#inTurn(async () => {
      const found = (await this.#read()).find((peer) => sameKey(peer.publicKey, publicKey));
      if (found === undefined) return false;
      const { endpoint, keepaliveS } = found;
      const again = { publicKey, presharedKey, endpoint, keepaliveS, onlyAddress: addressOf(found) };
      await this.#opening.control.write({ peers: [{ publicKey, remove: true }, again] });
      return true;
    });
  }

  removePeer(publicKey: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      await this.#opening.control.write({ peers: [{ publicKey, remove: true }] });
      this.#forgetOthers(publicKey);
    });
  }

  setPrivateKey(privateKey: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      const { control } = this.#opening;
      const peers = await this.#read();
      for (const { publicKey, keepaliveS } of peers) {
        if (keepaliveS > 0) this.#muted.set(publicKey.toHex(), { publicKey, keepaliveS });
      }
      // One that was removed meanwhile has none to turn on.
      const kept = peers.flatMap(({ publicKey }) => this.#muted.get(publicKey.toHex()) ?? []);
      const quiet = kept.map(({ publicKey }) => ({ publicKey, updateOnly: true, keepaliveS: 0 }));
      await control.write({ privateKey, peers: quiet });
      // Turning it on is a packet now, which is what makes every device shake hands.
      const loud = kept.map(({ publicKey, keepaliveS }) => ({ publicKey, updateOnly: true, keepaliveS }));
      if (loud.length > 0) await control.write({ peers: loud });
      this.#muted.clear();
    });
  }

  /** @throws TunnelError as `setPeer` */
  handOver(from: Uint8Array, { publicKey, address, endpoint, keepaliveS }: PeerPlace): Promise<boolean> {
    return this.#inTurn(async () => {
      const peers = await this.#read();
      const [before, after] = [from, publicKey].map((key) => peers.find((peer) => sameKey(peer.publicKey, key)));
      if (after === undefined) return false;
      const owner = this.#owners.get(address);
      if (owner === from.toHex()) this.#owners.set(address, publicKey.toHex());
      // A node's socket belongs to the peer that was told a place (N3); a hub answers where it was heard.
      const isHeard = after.endpoint !== undefined && this.#opening.config.role.kind === 'hub';
      const place = isHeard ? undefined : (after.endpoint ?? endpoint ?? before?.endpoint);
      const peer = { publicKey, address, ...(place !== undefined && { endpoint: place }) };
      try {
        this.#checkPeer(peer);
        const { address: onlyAddress, ...rest } = peer;
        const taken = { ...rest, onlyAddress, keepaliveS, updateOnly: true };
        await this.#opening.control.write({ peers: [taken, { publicKey: from, remove: true }] });
        return true;
      } catch (error) {
        if (owner !== undefined) this.#owners.set(address, owner);
        throw error;
      }
    });
  }

  /** Keys are zeroed: nobody here needs them. */
  async #read(): Promise<PeerReading[]> {
    const reading = await this.#opening.control.read();
    wipeReading(reading);
    return reading.peers;
  }

  /** @throws RangeError; NetlinkError */
  answerFor(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    return this.#inTurn(async () => this.#answered.replace(addresses, (address) => this.#owners.has(address)));
  }

  /** Learns what a device that was taken over has. */
  async adopt(): Promise<void> {
    if (this.#opening.config.role.kind === 'hub') this.#answered.adopt();
    for (const peer of await this.#read()) {
      const address = addressOf(peer);
      if (address !== undefined) this.#owners.set(address, peer.publicKey.toHex());
    }
  }

  async list(): Promise<PeerState[]> {
    const peers = await this.#inTurn(() => this.#read());
    return peers.map(({ publicKey, endpoint, keepaliveS, lastHandshakeMs, rxBytes, txBytes, ...rest }) => {
      const address = addressOf({ ...rest, publicKey, endpoint, keepaliveS, lastHandshakeMs, rxBytes, txBytes });
      return { publicKey, address, endpoint, keepaliveS, lastHandshakeMs, rxBytes, txBytes };
    });
  }
}
