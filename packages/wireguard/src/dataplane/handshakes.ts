/**
 * The handshakes of all peers: asking for sessions, answering, cookies both ways. What comes from the network is judged
 * in order of cost: size, mac1, limits, key agreement (spec tunnel.md D6, 5.7, 5.9).
 */
import { cookieLifeMs } from '../noise/cookie-secret.ts';
import { openCookieReply } from '../noise/cookie-reply.ts';
import { createInitiation, openInitiation, type OpenedInitiation, wipePending } from '../noise/initiation.ts';
import { mac1Key } from '../noise/key-derivation.ts';
import { initiationBytes, readIndex } from '../noise/message-layout.ts';
import { hasMac1, mac1Of, writeMac1, writeMac2 } from '../noise/message-macs.ts';
import { createResponse, openResponse } from '../noise/response.ts';
import { Session } from '../noise/session.ts';
import { isNewer } from '../noise/tai64n.ts';
import { Admission } from './admission.ts';
import type { Path, Peer } from './peer.ts';
import type { IndexTable, PeerTable } from './peer-table.ts';
import { attemptsMs, retryMs } from './peer-timers.ts';
import type { PlaneContext } from './plane-context.ts';

/** The responder takes one initiation of a peer in this time. */
const initiationGapMs = 20;

export class Handshakes {
  readonly #context: PlaneContext;
  readonly #peers: PeerTable;
  readonly #indexes: IndexTable;
  #mac1Key: Uint8Array;
  readonly #admission: Admission;

  constructor(context: PlaneContext, peers: PeerTable, indexes: IndexTable) {
    this.#context = context;
    this.#peers = peers;
    this.#indexes = indexes;
    this.#mac1Key = mac1Key(context.own.publicKey);
    this.#admission = new Admission(context);
  }

  /** What others have to show us hangs on our own key. */
  ownKeyChanged(): void {
    this.#mac1Key = mac1Key(this.#context.own.publicKey);
    this.#admission.ownKeyChanged();
  }

  /** Asks for a session, unless that is under way. */
  request(peer: Peer, nowMs: number): void {
    if (peer.path === undefined || peer.pending !== undefined) return;
    peer.attemptsSinceMs = nowMs;
    this.#initiate(peer, nowMs);
  }

  /** The retry timer fired: once more, or the end until there is new traffic. */
  retry(peer: Peer, nowMs: number): void {
    const triedMs = nowMs - peer.attemptsSinceMs;
    if (triedMs < attemptsMs) {
      this.#initiate(peer, nowMs);
      if (triedMs >= 2 * retryMs && peer.path !== undefined) this.#context.output.unanswered(peer.path);
      return;
    }
    this.abandon(peer);
    this.#context.drops.count('timeout');
    this.#context.drops.count('queue', peer.queue.takeAll().length);
  }

  /** Forgets a handshake that is under way. */
  abandon(peer: Peer): void {
    peer.timers.handshakeEnded();
    this.#dropPending(peer);
  }

  /** Answers an initiation and gives its peer; the session then waits for the initiator to use it. */
  takeInitiation(message: Uint8Array, path: Path, nowMs: number): Peer | undefined {
    const { drops, own, aead } = this.#context;
    if (!this.#admission.admits(message, path, nowMs)) return undefined;
    const sharedOf = (publicKey: Uint8Array) => this.#peers.byPublicKey(publicKey)?.staticShared;
    const opened = openInitiation(own, message, sharedOf, aead);
    // Whether it is forged or comes from a stranger is all the same.
    const peer = opened === undefined ? undefined : this.#peers.byPublicKey(opened.peerPublicKey);
    if (opened === undefined || peer === undefined) return drops.count('peer_unknown');
    const reason = refusal(peer, opened, nowMs);
    if (reason === undefined) {
      this.#answer(peer, opened, path, nowMs);
      return peer;
    }
    opened.state.wipe();
    return drops.count(reason);
  }

  /** Opens a response. Gives the peer that has a new current session. */
  takeResponse(message: Uint8Array, path: Path, nowMs: number): Peer | undefined {
    const { drops, own } = this.#context;
    const index = readIndex(message, 8);
    const peer = this.#indexes.get(index)?.peer;
    if (peer?.pending === undefined || peer.pending.senderIndex !== index) return drops.count('state');
    if (!hasMac1(message, this.#mac1Key)) return drops.count('mac');
    const keys = openResponse(own, peer.pending, peer.presharedKey, message);
    if (keys === undefined) return drops.count('decaps_auth');
    wipePending(peer.pending);
    peer.pending = undefined;
    const session = new Session({
      keys,
      initiator: true,
      localIndex: index,
      remoteIndex: readIndex(message, 4),
      bornMs: nowMs,
      bornWallMs: this.#context.wall(),
    });
    this.#indexes.bind(session);
    peer.sessions.addInitiated(session);
    peer.path = path;
    peer.rxBytes += message.length;
    peer.timers.sessionStarted(nowMs);
    return peer;
  }

  takeCookieReply(message: Uint8Array, nowMs: number): void {
    const peer = this.#indexes.get(readIndex(message, 4))?.peer;
    if (peer?.lastMac1 === undefined) return this.#context.drops.count('state');
    const value = openCookieReply(peer.cookieKey, peer.lastMac1, message);
    if (value === undefined) return this.#context.drops.count('cookie');
    // It goes into our next message; the retry timer is running.
    peer.cookie = { value, untilMs: nowMs + cookieLifeMs };
    peer.lastMac1 = undefined;
    peer.rxBytes += message.length;
  }

  #initiate(peer: Peer, nowMs: number): void {
    const { own, aead, random, timestamp } = this.#context;
    if (peer.path === undefined) return;
    if (nowMs - peer.lastSentMs < retryMs) return peer.timers.retryAt(peer.lastSentMs + retryMs);
    this.#dropPending(peer);
    const input = {
      own,
      peerPublicKey: peer.publicKey,
      staticShared: peer.staticShared,
      ephemeralPrivate: random(32),
      senderIndex: this.#indexes.draw(peer),
      timestamp: timestamp(),
    };
    const { message, pending } = createInitiation(input, aead);
    peer.pending = pending;
    peer.timers.initiationSent(nowMs);
    this.#send(peer, message, peer.path, nowMs);
  }

  #answer(peer: Peer, initiation: OpenedInitiation, path: Path, nowMs: number): void {
    peer.lastTimestamp = initiation.timestamp;
    peer.lastTakenMs = nowMs;
    const senderIndex = this.#indexes.draw(peer);
    const { presharedKey } = peer;
    const ephemeralPrivate = this.#context.random(32);
    const response = createResponse({ initiation, presharedKey, ephemeralPrivate, senderIndex });
    if (response === undefined) {
      this.#indexes.release(senderIndex);
      return this.#context.drops.count('decaps_auth');
    }
    const session = new Session({
      keys: response.keys,
      initiator: false,
      localIndex: senderIndex,
      remoteIndex: initiation.senderIndex,
      bornMs: nowMs,
      bornWallMs: this.#context.wall(),
    });
    this.#indexes.bind(session);
    peer.sessions.addAnswered(session);
    peer.path = path;
    peer.rxBytes += initiationBytes;
    peer.timers.sessionStarted(nowMs);
    peer.timers.responseSent(nowMs);
    this.#send(peer, response.message, path, nowMs);
  }

  /** Writes the macs and sends a handshake message. */
  #send(peer: Peer, message: Uint8Array, path: Path, nowMs: number): void {
    writeMac1(message, peer.mac1Key);
    peer.lastMac1 = mac1Of(message);
    if (peer.cookie !== undefined && nowMs < peer.cookie.untilMs) writeMac2(message, peer.cookie.value);
    peer.lastSentMs = nowMs;
    peer.txBytes += message.length;
    this.#context.output.send(message, 0, message.length, path);
  }

  #dropPending(peer: Peer): void {
    if (peer.pending === undefined) return;
    this.#indexes.release(peer.pending.senderIndex);
    wipePending(peer.pending);
    peer.pending = undefined;
  }
}

function refusal(peer: Peer, opened: OpenedInitiation, nowMs: number): 'replay' | 'rate' | undefined {
  if (!isNewer(opened.timestamp, peer.lastTimestamp)) return 'replay';
  return nowMs - peer.lastTakenMs < initiationGapMs ? 'rate' : undefined;
}
