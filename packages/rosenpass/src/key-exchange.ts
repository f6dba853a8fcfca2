/**
 * The Rosenpass key exchange as a state machine without I/O (spec tunnel.md R1, 5.5, 5.6; effects.ts draws it). What a
 * datagram passes, cheapest first:
 *
 *     length, type → mac → rate, cookie, queue → worker (S1, S2, S3) → biscuit, replay, S4, S5 → exchanged
 *
 * Own secret keys live in the worker; here stand the peers' hashes, their handshakes and two biscuit keys.
 */
import type {
  Effect,
  Endpoint,
  KeyExchangeStatus,
  OwnKey,
  PeerChange,
  PeerId,
  PeerOptions,
  PeerStatus,
} from './effects.ts';
import type { CookieMode } from './exchange/admission.ts';
import { BiscuitKeys } from './exchange/biscuit-keys.ts';
import { ExchangeCore, type Received } from './exchange/exchange-core.ts';
import { Initiator } from './exchange/initiator.ts';
import { begins, createPeer, erasePeer, type Peer, statusOf } from './exchange/peer.ts';
import { Responder } from './exchange/responder.ts';
import { normalized } from './exchange/source-key.ts';
import type { Suites } from './hash/suite.ts';
import { fittingMac } from './message/envelope.ts';
import { recognize, type Recognized } from './message/layout.ts';
import type { RandomSource as Random } from './mceliece/random-source.ts';
import type { StepResult } from './steps/step-job.ts';

export type KeyExchangeOptions = {
  suites: Suites;
  /** Gives that many random bytes in a buffer of the caller's own. */
  random: Random;
  /** Workers that run steps: so many jobs are given out at once. */
  workers: number;
  /** Spec 2.2: whether a source has to prove its address before it costs anything. */
  cookie: CookieMode;
};

export class KeyExchange implements Disposable {
  readonly #core: ExchangeCore;
  readonly #biscuitKeys: BiscuitKeys;
  readonly #initiator: Initiator;
  readonly #responder: Responder;
  #timerAt = NaN;

  /** `now` as in every call: monotonic ms. */
  constructor(options: KeyExchangeOptions, now: number) {
    this.#core = new ExchangeCore(options);
    this.#biscuitKeys = new BiscuitKeys(options.random, now);
    this.#initiator = new Initiator(this.#core);
    this.#responder = new Responder(this.#core, this.#biscuitKeys);
  }

  /** From now on messages to this key are answered too, and peers may name it (K8). */
  addOwnKey(key: OwnKey): void {
    this.#core.ownKeys.set(key.index, key);
  }

  /** Messages to this key are dropped from now on. Peers that name it are to be changed before. */
  removeOwnKey(index: number): void {
    this.#core.ownKeys.delete(index);
  }

  /**
   * @throws BoundPassed when RP_PEERS are there; Error when the name or the public key is there already.
   */
  addPeer(options: PeerOptions, now: number): Effect[] {
    const peer = createPeer(options);
    if (peer.endpoint !== undefined) peer.endpoint = normalized(peer.endpoint);
    // A biscuit of before, kept by whoever listened, opens nothing for a peer that was added again.
    peer.lastBiscuit = this.#core.biscuits;
    this.#core.peers.add(peer);
    return this.#plan(peer, now);
  }

  /**
   * Nothing happens when the peer is gone. An InitHello that waits for an answer is sent to another endpoint at once; with
   * another own key a handshake that is under way begins anew, since the peer may not know the old one any more (K8).
   */
  updatePeer(id: PeerId, change: PeerChange, now: number): Effect[] {
    const peer = this.#core.peers.get(id);
    if (peer === undefined) return [];
    const { presharedKey, endpoint, ...rest } = change;
    Object.assign(peer, definedOf(rest));
    if ('presharedKey' in change) {
      peer.presharedKey?.fill(0);
      peer.presharedKey = presharedKey?.slice();
    }
    if ('endpoint' in change) {
      peer.endpoint = endpoint === undefined ? undefined : normalized(endpoint);
      peer.dialled = endpoint !== undefined;
      this.#initiator.redirect(peer);
    }
    const { initiation, ownKey } = peer;
    if (initiation !== undefined && initiation.ownKey !== ownKey && begins(peer)) this.#initiator.begin(peer, now);
    return this.#plan(peer, now);
  }

  /** Its handshakes and secrets are gone at once; what a worker still does for it is thrown away. */
  removePeer(id: PeerId, now: number): Effect[] {
    const peer = this.#core.peers.get(id);
    if (peer === undefined) return [];
    this.#core.cancelInitiation(peer);
    this.#core.peers.delete(peer);
    if (peer.endpoint !== undefined) this.#core.admission.forget(peer.endpoint.address);
    erasePeer(peer);
    return this.#effects(now);
  }

  /** One exchange now. A peer that begins itself, or has no known address, is dropped with `state`. */
  startExchange(id: PeerId, now: number): Effect[] {
    const peer = this.#core.peers.get(id);
    if (peer === undefined) return [];
    if (begins(peer)) this.#initiator.hasten(peer, now);
    else this.#core.drop('state', peer.endpoint, peer, 'the exchange is the other side’s to begin');
    return this.#effects(now);
  }

  /** One datagram from the wire; `bytes` are not kept. */
  datagram(bytes: Uint8Array, from: Endpoint, now: number): Effect[] {
    const core = this.#core;
    const found = recognize(bytes);
    const source = normalized(from);
    if (typeof found === 'string') core.drop(found, source);
    else if (found.name === 'cookieReply') this.#initiator.asked(bytes, source, now);
    else {
      const fit = fittingMac(core.suites, core.ownKeys.values(), bytes);
      if (fit === undefined) core.drop('mac', source);
      else this.#receive(found, { message: bytes, source, ...fit, now });
    }
    return this.#effects(now);
  }

  /** The end of a job; one call for each `compute`, whatever became of it. */
  computed(jobId: number, result: StepResult, now: number): Effect[] {
    this.#core.jobs.ended(jobId, result, now);
    return this.#effects(now);
  }

  /** At or after the moment that `timerAt` asked for; early or late calls do no harm. */
  timer(now: number): Effect[] {
    this.#timerAt = NaN;
    this.#biscuitKeys.turn(now);
    for (const peer of this.#core.deadlines.takeDue(now)) this.#due(peer, now);
    return this.#effects(now);
  }

  peerStatus(id: PeerId): PeerStatus | undefined {
    const peer = this.#core.peers.get(id);
    return peer && statusOf(peer);
  }

  status(): KeyExchangeStatus {
    const { peers, jobs } = this.#core;
    return { peers: peers.size, queued: jobs.waiting, running: jobs.running };
  }

  /** Zeroes what is secret: the last call. */
  [Symbol.dispose](): void {
    for (const peer of this.#core.peers.all()) erasePeer(peer);
    this.#biscuitKeys[Symbol.dispose]();
  }

  #receive({ name, ciphertext }: Recognized, received: Received): void {
    switch (name) {
      case 'initHello':
        return this.#responder.greeted(received, ciphertext);
      case 'respHello':
        return this.#initiator.answered(received, ciphertext);
      case 'initConf':
        return this.#responder.concluded(received);
      case 'emptyData':
        return this.#initiator.confirmed(received);
      case 'cookieReply':
        return this.#initiator.asked(received.message, received.source, received.now);
    }
  }

  #due(peer: Peer, now: number): void {
    this.#core.touch(peer);
    if (now >= peer.staleAt) {
      peer.staleAt = Infinity;
      this.#core.emit({ effect: 'stale', peer: peer.id });
    }
    if (peer.answer !== undefined && now >= peer.answer.until) peer.answer = undefined;
    if (peer.cookie !== undefined && now >= peer.cookie.until) {
      peer.cookie.value.fill(0);
      peer.cookie = undefined;
    }
    this.#initiator.due(peer, now);
  }

  /** After the peer's settings changed: whether and when this side begins. */
  #plan(peer: Peer, now: number): Effect[] {
    this.#core.touch(peer);
    if (peer.endpoint !== undefined) this.#core.admission.learn(peer.endpoint.address);
    if (!begins(peer)) peer.nextExchangeAt = Infinity;
    else if (peer.initiation === undefined && peer.nextExchangeAt === Infinity) this.#initiator.begin(peer, now);
    return this.#effects(now);
  }

  /** Starts what has room, and asks for the timer anew if it is to ring at another time. */
  #effects(now: number): Effect[] {
    const core = this.#core;
    core.jobs.pump();
    core.settle();
    const at = Math.max(now, Math.min(core.deadlines.earliest, this.#biscuitKeys.turnAt));
    if (at !== this.#timerAt) core.emit({ effect: 'timerAt', at });
    this.#timerAt = at;
    return core.takeEffects();
  }
}

/** Without the entries that are undefined: those mean "as it was". */
function definedOf<Fields extends object>(fields: Fields): Partial<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Fields>;
}
