import { timingSafeEqual } from 'node:crypto';
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { PeerId, ProtocolVersion } from '../effects.ts';
import { type KeyPrefixes, keyPrefixesBytes, prefix } from '../key-prefixes.ts';
import type { RandomSource as Random } from '../mceliece/random-source.ts';
import type { Peer } from './peer.ts';

/** RP_PEERS (D7). */
export const peersMax = 20_000;

/** A session id as it stands in a message. */
export const sidBytes = (sid: number) => Uint8Array.of(sid, sid >>> 8, sid >>> 16, sid >>> 24);
const sidOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);

/**
 * 48 bits of a peer id: a number costs a map half of what text does. Two keys with one number do not meet by chance, and
 * to make one that meets another takes 2^48 key pairs.
 */
function shortId(version: ProtocolVersion, id: Uint8Array): number {
  let bits = 0;
  for (let i = 0; i < 6; i++) bits = bits * 256 + (id[i] ?? 0);
  return version === 'V02' ? bits : -1 - bits;
}

const shortIdsOf = (prefixes: KeyPrefixes) =>
  (['V02', 'V03'] as const).map((version) => shortId(version, prefix(prefixes, version, 'peerId')));

/** The peers by the caller's name, by the id that handshakes carry, and by own session id. */
export class PeerTable {
  readonly #byName = new Map<PeerId, Peer>();
  readonly #byId = new Map<number, Peer>();
  readonly #bySession = new Map<number, Peer>();

  get size(): number {
    return this.#byName.size;
  }

  /** @throws BoundPassed: RP_PEERS; Error when the name or the key is there already. */
  add(peer: Peer): void {
    if (this.size >= peersMax) throw new BoundPassed('RP_PEERS', peersMax);
    if (peer.key.prefixes.length !== keyPrefixesBytes) throw new RangeError('prefixes of a public key: wrong length');
    if (this.#byName.has(peer.id)) throw new Error(`peer ${peer.id} is there already`);
    const ids = shortIdsOf(peer.key.prefixes);
    if (ids.some((id) => this.#byId.has(id))) throw new Error(`the key of peer ${peer.id} is another peer's`);
    this.#byName.set(peer.id, peer);
    for (const id of ids) this.#byId.set(id, peer);
  }

  delete(peer: Peer): void {
    this.#byName.delete(peer.id);
    for (const id of shortIdsOf(peer.key.prefixes)) this.#byId.delete(id);
  }

  get(id: PeerId): Peer | undefined {
    return this.#byName.get(id);
  }

  all(): Iterable<Peer> {
    return this.#byName.values();
  }

  /** Whether this very peer, and not another of its name, is in the table. */
  has(peer: Peer): boolean {
    return this.#byName.get(peer.id) === peer;
  }

  /** By H(peerid, spk), 32 bytes. */
  identified(version: ProtocolVersion, id: Uint8Array): Peer | undefined {
    const peer = this.#byId.get(shortId(version, id));
    return peer && timingSafeEqual(prefix(peer.key.prefixes, version, 'peerId'), id) ? peer : undefined;
  }

  /** A session id that no own handshake has, now the peer's. */
  openSession(peer: Peer, random: Random): number {
    let sid = sidOf(random(4));
    while (this.#bySession.has(sid)) sid = sidOf(random(4));
    this.#bySession.set(sid, peer);
    return sid;
  }

  closeSession(sid: number): void {
    this.#bySession.delete(sid);
  }

  /** By an own session id of 4 bytes. */
  inSession(sid: Uint8Array): Peer | undefined {
    return this.#bySession.get(sidOf(sid));
  }
}
