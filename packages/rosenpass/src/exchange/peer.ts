/**
 * What is kept of a peer: under 2 KiB while idle (spec tunnel.md H4), one initiator handshake and one cached answer at
 * most (D7).
 *
 *     initiation:  none ─begin→ computing ─S1→ hello ─RespHello, S3→ confirm ─EmptyData→ none
 *                    ↑                           └──── 180 s, or the peer's own InitConf ────┘
 */
import type {
  Endpoint,
  KnownKey,
  PeerId,
  PeerOptions,
  PeerStatus,
  ProtocolVersion,
  Role,
  Schedule,
  Unanswered,
} from '../effects.ts';
import type { CiphertextEncoding } from '../mceliece/parameters.ts';
import type { Timed } from './deadline-heap.ts';
import { keyLifeMs, unansweredMs } from './timing.ts';

/** A version and an encoding, spoken or to be tried. */
export type Dialect = { version: ProtocolVersion; ciphertext: CiphertextEncoding };

/** In the order in which an initiator tries them (X6). */
const dialects: readonly Dialect[] = [
  { version: 'V03', ciphertext: 'pc188' },
  { version: 'V02', ciphertext: 'pc188' },
  { version: 'V02', ciphertext: 'r4-156' },
  { version: 'V03', ciphertext: 'r4-156' },
];

export type Initiation = {
  /** Own session id, unique among own handshakes. */
  sidi: number;
  dialect: Dialect;
  ownKey: number;
  beganAt: number;
  /** When the message is sent again; Infinity while there is none. */
  resendAt: number;
  /** For the delay before the next. */
  sends: number;
} & (
  | { phase: 'computing' }
  /** `ck`, `kyberSecret`: secrets for S3. `completing`: a RespHello is being tried. */
  | {
      phase: 'hello';
      message: Uint8Array;
      ck: Uint8Array;
      kyberSecret: Uint8Array;
      completing: boolean;
      unanswered: number;
    }
  /** `message` is the InitConf; `answerKey` (secret) opens the EmptyData. */
  | { phase: 'confirm'; message: Uint8Array; answerKey: Uint8Array; liveAt: number }
);

export type Peer = Timed & {
  readonly id: PeerId;
  readonly key: KnownKey;
  schedule: Schedule;
  ownKey: number;
  presharedKey: Uint8Array | undefined;
  version: PeerOptions['version'];
  ciphertext: PeerOptions['ciphertext'];
  /** Where the peer was configured or last proved to be. */
  endpoint: Endpoint | undefined;
  /** An endpoint was configured: a foreign peer is called only then. */
  dialled: boolean;
  /** Index of the dialect that worked, or is to be tried. */
  dialect: number;
  /** The encoding of the InitHello answered last; an InitConf does not show it. */
  answered: CiphertextEncoding;
  /** Biscuits up to this number are void. */
  lastBiscuit: number;
  last: { at: number; role: Role; dialect: Dialect } | undefined;
  /** Infinity: no key, or its end was told. */
  staleAt: number;
  /** Infinity: the other side's turn, or a handshake is under way. */
  nextExchangeAt: number;
  initiation: Initiation | undefined;
  /** Since when nobody answers, and what was sent to where meanwhile; `told`: it was reported. */
  attempt: (Unanswered & { told: boolean }) | undefined;
  /** The InitConf accepted last, without its cookie, and its answer. */
  answer: { initConf: Uint8Array; emptyData: Uint8Array; until: number } | undefined;
  /** What proves our address to the peer; 16 bytes. */
  cookie: { value: Uint8Array; until: number } | undefined;
};

export function createPeer(options: PeerOptions): Peer {
  const { id, key, schedule, ownKey, presharedKey, version, ciphertext, endpoint } = options;
  return {
    id,
    key,
    schedule,
    ownKey,
    presharedKey: presharedKey?.slice(),
    version,
    ciphertext,
    endpoint,
    dialled: endpoint !== undefined,
    dialect: 0,
    answered: 'pc188',
    lastBiscuit: 0,
    last: undefined,
    staleAt: Infinity,
    nextExchangeAt: Infinity,
    initiation: undefined,
    attempt: undefined,
    answer: undefined,
    cookie: undefined,
    deadline: Infinity,
    heapAt: -1,
  };
}

/** A copy for a job; zeros when none is set. */
export const presharedKeyOf = ({ presharedKey }: Peer) => presharedKey?.slice() ?? new Uint8Array(32);

const allows = (peer: Peer, { version, ciphertext }: Dialect) =>
  (peer.version === 'auto' || peer.version === version) &&
  (peer.ciphertext === 'auto' || peer.ciphertext === ciphertext);

/** The first allowed dialect at or after the peer's index, in turn. */
function allowedFrom(peer: Peer, from: number): number {
  const indices = dialects.map((_, step) => (from + step) % dialects.length);
  return indices.find((index) => allows(peer, dialects[index] as Dialect)) ?? 0;
}

/** What to begin with: the dialect that worked last, if it is still allowed. */
export function dialectOf(peer: Peer): Dialect {
  peer.dialect = allowedFrom(peer, peer.dialect);
  return dialects[peer.dialect] as Dialect;
}

/** Moves on to the next dialect to try; false when there is only one. */
export function tryNextDialect(peer: Peer): boolean {
  const next = allowedFrom(peer, peer.dialect + 1);
  const moved = next !== peer.dialect;
  peer.dialect = next;
  return moved;
}

/** Remembers the dialect that the peer proved to speak. */
export function rememberDialect(peer: Peer, { version, ciphertext }: Dialect): void {
  peer.dialect = dialects.findIndex((one) => one.version === version && one.ciphertext === ciphertext);
}

/** Whether this side begins exchanges. */
export function begins(peer: Peer): boolean {
  if (peer.schedule === 'hub' || peer.endpoint === undefined) return false;
  return peer.schedule === 'node' || peer.dialled;
}

/** The next moment at which something of the peer is due. */
export function nextDeadline(peer: Peer): number {
  const { initiation, attempt, answer, cookie } = peer;
  return Math.min(
    peer.staleAt,
    peer.nextExchangeAt,
    initiation?.resendAt ?? Infinity,
    initiation === undefined ? Infinity : initiation.beganAt + keyLifeMs,
    attempt === undefined || attempt.told ? Infinity : attempt.since + unansweredMs,
    answer?.until ?? Infinity,
    cookie?.until ?? Infinity,
  );
}

/** Zeroes and forgets the initiator handshake. */
export function dropInitiation(peer: Peer): void {
  const { initiation } = peer;
  if (initiation?.phase === 'hello') {
    initiation.ck.fill(0);
    initiation.kyberSecret.fill(0);
  }
  if (initiation?.phase === 'confirm') initiation.answerKey.fill(0);
  peer.initiation = undefined;
}

/** Zeroes what is secret of a peer that goes. */
export function erasePeer(peer: Peer): void {
  dropInitiation(peer);
  peer.presharedKey?.fill(0);
  peer.cookie?.value.fill(0);
}

export function statusOf(peer: Peer): PeerStatus {
  const { last, initiation, nextExchangeAt } = peer;
  return {
    endpoint: peer.endpoint,
    lastExchangeAt: last?.at,
    nextExchangeAt: nextExchangeAt === Infinity ? undefined : nextExchangeAt,
    unanswered: peer.attempt && { ...peer.attempt, places: [...peer.attempt.places] },
    lastRole: last?.role,
    version: last?.dialect.version,
    ciphertext: last?.dialect.ciphertext,
    initiating: initiation === undefined ? 'idle' : initiation.phase === 'confirm' ? 'confirm' : 'hello',
  };
}
