import type { PendingInitiation } from '../noise/initiation.ts';
import { cookieKey, mac1Key } from '../noise/key-derivation.ts';
import { timestampBytes } from '../noise/tai64n.ts';
import type { AddressKey } from './ip-address.ts';
import { PacketQueue } from './packet-queue.ts';
import { PeerTimers } from './peer-timers.ts';
import { SessionSlots } from './session-slots.ts';

/** Where a peer is: an address of the outside, and the socket it is reached by (−1: any of its family). */
export type Path = { address: string; port: number; via: number };

export type PeerSecrets = {
  publicKey: Uint8Array;
  presharedKey: Uint8Array;
  /** DH of both static keys. */
  staticShared: Uint8Array;
};

/** Everything a data plane holds of one peer. Times are monotonic milliseconds unless named otherwise. */
export class Peer {
  readonly publicKey: Uint8Array;
  readonly staticShared: Uint8Array;
  readonly presharedKey: Uint8Array;
  /** Key of mac1 in messages to it, and the key under which its cookies come. */
  readonly mac1Key: Uint8Array;
  readonly cookieKey: Uint8Array;
  readonly sessions: SessionSlots;
  readonly timers: PeerTimers;
  readonly queue = new PacketQueue();

  /** Its tunnel address, the only source its packets may have. */
  address = '';
  addressKey: AddressKey = '';
  path: Path | undefined;
  keepaliveS = 0;

  pending: PendingInitiation | undefined;
  /** When the attempts under way began. */
  attemptsSinceMs = -Infinity;
  /** Our last handshake message: when, and its mac1, to which a cookie reply belongs. */
  lastSentMs = -Infinity;
  lastMac1: Uint8Array | undefined;
  cookie: { value: Uint8Array; untilMs: number } | undefined;
  /** Its last initiation that we took. */
  lastTakenMs = -Infinity;
  lastTimestamp: Uint8Array = new Uint8Array(timestampBytes);
  /** This session has asked for its successor because it only receives. */
  askedOnReceive = false;

  /** When the newest working session got its keys, Unix milliseconds. */
  lastHandshakeWallMs: number | undefined;
  rxBytes = 0;
  txBytes = 0;

  constructor(secrets: PeerSecrets, jitter: () => number, onRelease: (localIndex: number) => void) {
    this.publicKey = secrets.publicKey.slice();
    this.presharedKey = secrets.presharedKey.slice();
    this.staticShared = secrets.staticShared;
    this.mac1Key = mac1Key(this.publicKey);
    this.cookieKey = cookieKey(this.publicKey);
    this.timers = new PeerTimers(jitter);
    this.sessions = new SessionSlots((session) => onRelease(session.localIndex));
  }
}
