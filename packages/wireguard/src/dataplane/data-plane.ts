/**
 * WireGuard's data plane without any input or output of its own: packets of the interface and datagrams of the network
 * go in with the time, datagrams, packets and deadlines come out (spec tunnel.md 5.9).
 *
 *     interface ── fromTunnel ──▶ filter ▶ session.seal ──▶ output.send ── network
 *     interface ◀─ output.deliver ── filter ◀ session.open ◀── fromNetwork ── network
 *
 * Buffers are worked on where they lie. Times are monotonic milliseconds.
 */
import { timingSafeEqual } from 'node:crypto';
import { dataHeaderBytes, messageKind, readIndex } from '../noise/message-layout.ts';
import { rekeyAfterPackets, type Session } from '../noise/session.ts';
import { publicKeyOf, sharedSecret } from '../noise/x25519.ts';
import type { DeviceRole, PeerConfig, PeerState } from '../tunnel-device.ts';
import { Handshakes } from './handshakes.ts';
import { InnerPacket } from './inner-packet.ts';
import { type AddressKey, addressBytes, addressKey, plainAddress } from './ip-address.ts';
import { Peer } from './peer.ts';
import { IndexTable, PeerTable } from './peer-table.ts';
import { rejectAfterMs, rekeyAfterMs, rekeyOnReceiveMs, type TimerName } from './peer-timers.ts';
import type { PlaneContext } from './plane-context.ts';

/** Room that a packet needs before itself, for the header, and behind itself, for padding and tag. */
export const roomBefore = dataHeaderBytes;
export const roomBehind = 32;

export type PlaneConfig = { address: string; mtu: number; role: DeviceRole };

export class DataPlane {
  readonly #context: PlaneContext;
  readonly #config: PlaneConfig;
  readonly #ownKey: AddressKey;
  readonly #peers = new PeerTable();
  readonly #indexes: IndexTable;
  readonly #handshakes: Handshakes;
  readonly #inner: InnerPacket;
  #deadline = Infinity;

  /** @throws RangeError when the address is none. */
  constructor(context: PlaneContext, config: PlaneConfig) {
    this.#context = context;
    this.#config = config;
    this.#ownKey = addressKey(config.address);
    this.#inner = new InnerPacket(addressBytes(config.address).length === 4 ? 4 : 6);
    this.#indexes = new IndexTable(context.random);
    this.#handshakes = new Handshakes(context, this.#peers, this.#indexes);
  }

  /** The earliest moment at which `tick` has something to do; Infinity: none. */
  get deadline(): number {
    return this.#deadline;
  }

  /**
   * Adds the peer or gives it these settings; its session stays.
   * @throws RangeError for a key of low order, our own, or of another length, and for what is no address.
   */
  setPeer(config: PeerConfig, nowMs: number): void {
    const key = config.address === undefined ? undefined : addressKey(config.address);
    checkPsk(config.presharedKey);
    const peer = this.#peers.byPublicKey(config.publicKey) ?? this.#add(config);
    peer.presharedKey.set(config.presharedKey);
    if (config.address !== undefined && key !== undefined) this.#peers.move(peer, config.address, key);
    if (config.endpoint !== undefined) {
      peer.path = { address: plainAddress(config.endpoint.address), port: config.endpoint.port, via: -1 };
    }
    if (peer.keepaliveS !== config.keepaliveS) {
      peer.keepaliveS = config.keepaliveS;
      peer.timers.setPersistent(config.keepaliveS * 1000, nowMs);
    }
    this.#watch(peer);
  }

  /**
   * Gives a known peer its pre-shared key, which its next handshake uses; a link without a session asks for one at once.
   * Gives what the peer now holds.
   */
  setPsk(publicKey: Uint8Array, presharedKey: Uint8Array, nowMs: number): Uint8Array | undefined {
    checkPsk(presharedKey);
    const peer = this.#peers.byPublicKey(publicKey);
    if (peer === undefined) return undefined;
    peer.presharedKey.set(presharedKey);
    if (!isUsable(peer.sessions.current, nowMs)) this.#handshakes.request(peer, nowMs);
    this.#watch(peer);
    return peer.presharedKey.slice();
  }

  /** Ends the peer's sessions at once and starts it anew with this key (Q4). False: not there. */
  cutPeer(publicKey: Uint8Array, presharedKey: Uint8Array, nowMs: number): boolean {
    checkPsk(presharedKey);
    const peer = this.#peers.byPublicKey(publicKey);
    if (peer === undefined) return false;
    const { path, address, keepaliveS, lastTimestamp } = peer;
    this.removePeer(publicKey);
    this.setPeer({ publicKey, presharedKey, address: address || undefined, keepaliveS }, nowMs);
    const again = this.#peers.byPublicKey(publicKey);
    // An old initiation, recorded by someone, stays old.
    if (again !== undefined) [again.path, again.lastTimestamp] = [path, lastTimestamp];
    return true;
  }

  removePeer(publicKey: Uint8Array): void {
    const peer = this.#peers.byPublicKey(publicKey);
    if (peer === undefined) return;
    this.#peers.remove(peer);
    this.#silence(peer);
    peer.presharedKey.fill(0);
    peer.staticShared.fill(0);
  }

  /**
   * We are somebody else from now on (K8): handshakes under way are given up, sessions receive and no longer send.
   * @throws RangeError for a key of another length
   */
  setPrivateKey(privateKey: Uint8Array, nowMs: number): void {
    const { own } = this.#context;
    if (privateKey.length !== own.privateKey.length) throw new RangeError('a private key has 32 bytes');
    if (timingSafeEqual(privateKey, own.privateKey)) return;
    own.privateKey.set(privateKey);
    own.publicKey.set(publicKeyOf(privateKey));
    this.removePeer(own.publicKey);
    this.#handshakes.ownKeyChanged();
    for (const peer of this.#peers.all()) {
      const shared = sharedSecret(own.privateKey, peer.publicKey);
      if (shared !== undefined) peer.staticShared.set(shared);
      shared?.fill(0);
      this.#handshakes.abandon(peer);
      peer.lastSentMs = -Infinity;
      peer.sessions.retire();
      if (peer.queue.depth > 0) this.#handshakes.request(peer, nowMs);
      this.#watch(peer);
    }
  }

  peers(): PeerState[] {
    return Array.from(this.#peers.all(), stateOf);
  }

  peer(publicKey: Uint8Array): PeerState | undefined {
    const peer = this.#peers.byPublicKey(publicKey);
    return peer && stateOf(peer);
  }

  /** A copy. */
  presharedKeyOf(publicKey: Uint8Array): Uint8Array | undefined {
    return this.#peers.byPublicKey(publicKey)?.presharedKey.slice();
  }

  /** Our own addresses changed: peers learn by a keepalive where we are now; links that we keep up are asked for. */
  announce(nowMs: number): void {
    for (const peer of this.#peers.all()) {
      const listens = isUsable(peer.sessions.current, nowMs) || peer.keepaliveS > 0;
      if (listens) this.#fire(peer, 'persistent', nowMs);
      this.#watch(peer);
    }
  }

  /** Packets that wait for a session, over all peers. */
  get queued(): number {
    let sum = 0;
    for (const peer of this.#peers.all()) sum += peer.queue.depth;
    return sum;
  }

  /**
   * A packet that the machine sends into the tunnel, at `buffer[start, start + length)`, with `roomBefore` and
   * `roomBehind` bytes around it to seal it in.
   */
  fromTunnel(buffer: Uint8Array, start: number, length: number, nowMs: number): void {
    const inner = this.#inner;
    const good = inner.read(buffer, start, length) && inner.source === this.#ownKey;
    const peer = good ? this.#peers.byAddress(inner.destination) : undefined;
    if (peer === undefined) return this.#context.drops.count('inner');
    if (isUsable(peer.sessions.current, nowMs)) return this.#seal(peer, buffer, start, inner.length, nowMs);
    if (!peer.queue.push(buffer.subarray(start, start + inner.length))) this.#context.drops.count('queue');
    this.#handshakes.request(peer, nowMs);
    this.#watch(peer);
  }

  /** A datagram of the network. It is opened where it lies. `address` is plain; `via` names the socket it came by. */
  fromNetwork(datagram: Uint8Array, address: string, port: number, via: number, nowMs: number): void {
    switch (messageKind(datagram)) {
      case 'data':
        return this.#open(datagram, address, port, via, nowMs);
      case 'initiation':
        return this.#watch(this.#handshakes.takeInitiation(datagram, { address, port, via }, nowMs));
      case 'response':
        return this.#sessionReady(this.#handshakes.takeResponse(datagram, { address, port, via }, nowMs), nowMs);
      case 'cookieReply':
        return this.#handshakes.takeCookieReply(datagram, nowMs);
      case undefined:
        return this.#context.drops.count('length');
    }
  }

  /** Does what is due. */
  tick(nowMs: number): void {
    if (nowMs < this.#deadline) return;
    this.#deadline = Infinity;
    for (const peer of this.#peers.all()) {
      if (peer.timers.next <= nowMs) for (const name of peer.timers.takeDue(nowMs)) this.#fire(peer, name, nowMs);
      this.#watch(peer);
    }
  }

  /** Zeroes every secret; of no use afterwards. */
  wipe(): void {
    for (const peer of this.#peers.all()) this.removePeer(peer.publicKey);
    this.#context.own.privateKey.fill(0);
  }

  #add(config: PeerConfig): Peer {
    const staticShared = sharedSecret(this.#context.own.privateKey, config.publicKey);
    if (staticShared === undefined) throw new RangeError('the public key of the peer is of low order');
    if (Buffer.from(config.publicKey).equals(this.#context.own.publicKey)) {
      throw new RangeError('the public key of the peer is our own');
    }
    const release = (index: number) => this.#indexes.release(index);
    const peer = new Peer({ ...config, staticShared }, this.#context.jitter, release);
    this.#peers.add(peer);
    return peer;
  }

  #seal(peer: Peer, buffer: Uint8Array, start: number, length: number, nowMs: number): void {
    const { path } = peer;
    const session = peer.sessions.current;
    const total = session?.seal(this.#context.aead, buffer, start, length, this.#config.mtu) ?? 0;
    if (session === undefined || path === undefined || total === 0) return this.#context.drops.count('state');
    this.#context.output.send(buffer, start - roomBefore, total, path);
    peer.txBytes += total;
    peer.timers.packetSent(nowMs, length > 0);
    const old = session.initiator && nowMs - session.bornMs >= rekeyAfterMs;
    if (old || session.sent >= rekeyAfterPackets) this.#handshakes.request(peer, nowMs);
    this.#watch(peer);
  }

  #open(datagram: Uint8Array, address: string, port: number, via: number, nowMs: number): void {
    const owner = this.#indexes.get(readIndex(datagram, 4));
    const session = owner?.session;
    if (owner === undefined || session === undefined || !isUsable(session, nowMs)) {
      return this.#context.drops.count('state');
    }
    const length = session.open(this.#context.aead, datagram);
    if (length === 'replay') return this.#context.drops.count('replay');
    if (length === 'forged') return this.#context.drops.count('decaps_auth');
    const { peer } = owner;
    peer.rxBytes += datagram.length;
    peer.timers.packetReceived(nowMs, length > 0);
    roam(peer, address, port, via);
    if (peer.sessions.confirm(session)) this.#sessionReady(peer, nowMs);
    if (length > 0) this.#deliver(peer, datagram, length);
    this.#renewOnReceive(peer, nowMs);
    this.#watch(peer);
  }

  #deliver(peer: Peer, datagram: Uint8Array, length: number): void {
    const inner = this.#inner;
    const { role, mtu } = this.#config;
    const good =
      inner.read(datagram, dataHeaderBytes, length) &&
      inner.length <= mtu &&
      inner.source === peer.addressKey &&
      inner.destination === this.#ownKey &&
      (role.kind === 'node' ? inner.destinationPort === role.proxyPort : !inner.opensConnection);
    if (!good) return this.#context.drops.count('inner');
    this.#context.output.deliver(datagram, dataHeaderBytes, inner.length);
  }

  #renewOnReceive(peer: Peer, nowMs: number): void {
    const session = peer.sessions.current;
    if (session === undefined || !session.initiator || peer.askedOnReceive) return;
    if (nowMs - session.bornMs < rekeyOnReceiveMs) return;
    peer.askedOnReceive = true;
    this.#handshakes.request(peer, nowMs);
  }

  /** The peer has a new current session: what waited goes out, or a keepalive that tells the responder so. */
  #sessionReady(peer: Peer | undefined, nowMs: number): void {
    const session = peer?.sessions.current;
    if (peer === undefined || session === undefined) return;
    this.#handshakes.abandon(peer);
    peer.lastHandshakeWallMs = session.bornWallMs;
    peer.askedOnReceive = false;
    const waiting = peer.queue.takeAll();
    if (waiting.length === 0 && session.initiator) waiting.push(new Uint8Array(0));
    for (const packet of waiting) {
      const buffer = new Uint8Array(roomBefore + packet.length + roomBehind);
      buffer.set(packet, roomBefore);
      this.#seal(peer, buffer, roomBefore, packet.length, nowMs);
    }
    this.#watch(peer);
  }

  #fire(peer: Peer, name: TimerName, nowMs: number): void {
    switch (name) {
      case 'zero':
        this.#handshakes.abandon(peer);
        return peer.sessions.wipe();
      case 'retry':
        return this.#handshakes.retry(peer, nowMs);
      case 'silence':
        return this.#handshakes.request(peer, nowMs);
      case 'keepalive':
      case 'persistent': {
        if (!isUsable(peer.sessions.current, nowMs)) return this.#handshakes.request(peer, nowMs);
        return this.#seal(peer, new Uint8Array(roomBefore + roomBehind), roomBefore, 0, nowMs);
      }
    }
  }

  #silence(peer: Peer): void {
    this.#handshakes.abandon(peer);
    peer.sessions.wipe();
    peer.queue.takeAll();
  }

  #watch(peer: Peer | undefined): void {
    if (peer !== undefined) this.#deadline = Math.min(this.#deadline, peer.timers.next);
  }
}

function checkPsk(presharedKey: Uint8Array): void {
  if (presharedKey.length !== 32) throw new RangeError('a pre-shared key has 32 bytes');
}

function stateOf(peer: Peer): PeerState {
  return {
    publicKey: peer.publicKey.slice(),
    address: peer.address === '' ? undefined : peer.address,
    endpoint: peer.path === undefined ? undefined : { address: peer.path.address, port: peer.path.port },
    keepaliveS: peer.keepaliveS,
    lastHandshakeMs: peer.lastHandshakeWallMs,
    rxBytes: peer.rxBytes,
    txBytes: peer.txBytes,
  };
}

/** Nothing is sealed or opened under keys of three minutes. */
function isUsable(session: Session | undefined, nowMs: number): boolean {
  return session !== undefined && nowMs - session.bornMs < rejectAfterMs;
}

/** The peer is where its last authentic packet came from. */
function roam(peer: Peer, address: string, port: number, via: number): void {
  const { path } = peer;
  if (path !== undefined && path.port === port && path.via === via && path.address === address) return;
  peer.path = { address, port, via };
}
