/**
 * What goes into the key exchange and what comes out of it, as plain data (spec tunnel.md R1). `KeyExchange`
 * (key-exchange.ts) is the state machine between the two:
 *
 *     datagram(bytes, source, now)  ┐                 ┌ send      one datagram to the wire
 *     computed(jobId, result, now)  │                 │ compute   one heavy step for a worker (steps/step-job.ts)
 *     timer(now)                    ├→ KeyExchange ─→ ├ exchanged, stale   keys of a peer
 *     addPeer, updatePeer,          │    Effect[]     ├ dropped   what was refused, and why
 *     removePeer, startExchange     ┘                 └ timerAt   when to call timer(now) next
 *
 * `now` is monotonic milliseconds. Every call is synchronous, never throws for what a stranger sent, and gives its
 * effects in the order in which they are to be done.
 */
import type { ProtocolVersion } from './hash/suite.ts';
import type { KeyPrefixes } from './key-prefixes.ts';
import type { CiphertextEncoding } from './mceliece/parameters.ts';
import type { StepJob } from './steps/step-job.ts';

export type { ProtocolVersion } from './hash/suite.ts';

/** A UDP address. IPv4-mapped IPv6 addresses are taken for the IPv4 address they hold. */
export type Endpoint = { address: string; port: number };

/** The caller's name of a peer; any text, unique in one `KeyExchange`. */
export type PeerId = string;

/** A Rosenpass public key as the main thread knows it: never its 524,160 bytes (K7). */
export type KnownKey = {
  /** `sha256:` and 64 lower hex digits (K2). */
  fingerprint: string;
  /** Made by the step `describe`, or read from where it was stored. */
  prefixes: KeyPrefixes;
};

/** An own key pair. The secret half stays with the worker, which knows it by the same index (K8: old and new). */
export type OwnKey = KnownKey & { index: number };

/**
 * Who begins: `node` starts each exchange 110-120 s after the last (N4) · `hub` only answers nodes · `foreign` follows
 * spec 5.6 and begins only when it has an endpoint (X7).
 */
export type Schedule = 'node' | 'hub' | 'foreign';

export type PeerOptions = {
  id: PeerId;
  key: KnownKey;
  schedule: Schedule;
  /** Index of the own key pair that begins exchanges with this peer; any own key answers. */
  ownKey: number;
  /** 32 bytes mixed into the exchange, copied; not the WireGuard key. None: zeros. */
  presharedKey?: Uint8Array | undefined;
  endpoint?: Endpoint | undefined;
  /** `auto` negotiates (X6). */
  version: ProtocolVersion | 'auto';
  ciphertext: CiphertextEncoding | 'auto';
};

/** What may change while a peer stays; a new public key is a new peer (K8). */
export type PeerChange = Partial<Omit<PeerOptions, 'id' | 'key'>>;

export type Role = 'initiator' | 'responder';

/** Why something did not lead on (V10). */
export type DropReason =
  | 'length'
  | 'type'
  | 'mac'
  | 'version'
  | 'encoding'
  | 'decaps_auth'
  | 'peer_unknown'
  | 'biscuit'
  | 'replay'
  | 'state'
  | 'cookie'
  | 'rate'
  | 'queue'
  | 'timeout';

export type Effect =
  /** `bytes` belong to the receiver. */
  | { effect: 'send'; to: Endpoint; bytes: Uint8Array }
  /** Ends in one call of `computed` with this id. The buffers of the job may be transferred (`transferList`). */
  | { effect: 'compute'; jobId: number; job: StepJob }
  /** `osk` and `linkKey` (32 bytes each) belong to the receiver, who zeroes them. */
  | {
      effect: 'exchanged';
      peer: PeerId;
      osk: Uint8Array;
      /** What the two ends prove things to one another with (Q10); independent of `osk`. */
      linkKey: Uint8Array;
      role: Role;
      /** Index of the own key pair that this exchange was made with (K8). */
      ownKey: number;
      version: ProtocolVersion;
      ciphertext: CiphertextEncoding;
      /** Where the verified message came from: the peer's address from now on. */
      endpoint: Endpoint;
    }
  /** 180 s have passed since the peer's last exchange. */
  | { effect: 'stale'; peer: PeerId }
  /** Counted always, logged as V10 says. `detail` is for the operator and holds no secret. */
  | {
      effect: 'dropped';
      reason: DropReason;
      /** Undefined: `unknown`. */
      peer: PeerId | undefined;
      source: Endpoint | undefined;
      detail?: string | undefined;
    }
  /** Replaces the timer asked for before; at most one is wanted at a time. */
  | { effect: 'timerAt'; at: number };

/** Since when no exchange that was begun has ended, the places that were tried meanwhile, and the bytes sent there. */
export type Unanswered = { since: number; places: Endpoint[]; bytes: number };

/** A peer as status shows it (V6). Times are in the caller's monotonic milliseconds. */
export type PeerStatus = {
  endpoint: Endpoint | undefined;
  lastExchangeAt: number | undefined;
  nextExchangeAt: number | undefined;
  /** Undefined: no answer is waited for. */
  unanswered: Readonly<Unanswered> | undefined;
  lastRole: Role | undefined;
  version: ProtocolVersion | undefined;
  ciphertext: CiphertextEncoding | undefined;
  /** What the own initiator handshake is doing. */
  initiating: 'idle' | 'hello' | 'confirm';
};

export type KeyExchangeStatus = { peers: number; queued: number; running: number };
