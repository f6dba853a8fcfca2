/** What both roles of the state machine share: peers, own keys, the queue, and the effects of the present call. */
import type { DropReason, Effect, Endpoint, OwnKey, ProtocolVersion, Role } from '../effects.ts';
import type { Suites } from '../hash/suite.ts';
import type { ChainingKey } from '../steps/chaining-key.ts';
import { eraseSecrets } from '../steps/run-step.ts';
import type { RandomSource as Random } from '../mceliece/random-source.ts';
import type { StepFailure, StepResult } from '../steps/step-job.ts';
import { Admission, type CookieMode } from './admission.ts';
import { CookieSecrets } from './cookie-secrets.ts';
import { DeadlineHeap } from './deadline-heap.ts';
import { JobQueue } from './job-queue.ts';
import { begins, type Dialect, dropInitiation, nextDeadline, type Peer, rememberDialect } from './peer.ts';
import { PeerTable } from './peer-table.ts';
import { keyLifeMs, nextExchangeDelay } from './timing.ts';

export type CoreOptions = { suites: Suites; random: Random; workers: number; cookie: CookieMode };

/** A datagram whose mac fits one of our keys. */
export type Received = {
  /** The socket's own bytes: who needs them after this call copies them, so that junk costs no copy. */
  message: Uint8Array;
  source: Endpoint;
  /** The own key that it is for, and the version of its mac. */
  key: OwnKey;
  version: ProtocolVersion;
  now: number;
};

/** What a handshake was proven with. */
type Proven = { role: Role; dialect: Dialect; ownKey: number };

const failureReasons: Readonly<Record<StepFailure, DropReason>> = {
  decaps_auth: 'decaps_auth',
  key_missing: 'peer_unknown',
  worker_lost: 'queue',
};

/** A peer that exchanges more often than this pays with its tokens. */
const oftenMs = 30_000;

export class ExchangeCore {
  readonly suites: Suites;
  readonly random: Random;
  readonly peers = new PeerTable();
  readonly ownKeys = new Map<number, OwnKey>();
  readonly cookies: CookieSecrets;
  readonly admission: Admission;
  readonly jobs: JobQueue;
  /** Number of the biscuit sealed last, over all peers. */
  biscuits = 0;
  readonly deadlines = new DeadlineHeap<Peer>();
  readonly #touched = new Set<Peer>();
  #effects: Effect[] = [];

  constructor({ suites, random, workers, cookie }: CoreOptions) {
    this.suites = suites;
    this.random = random;
    this.cookies = new CookieSecrets(suites, random);
    this.admission = new Admission(cookie, this.cookies, workers);
    this.jobs = new JobQueue(workers, (jobId, job) => this.emit({ effect: 'compute', jobId, job }));
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  drop(reason: DropReason, source: Endpoint | undefined, peer?: Peer, detail?: string): void {
    this.emit({ effect: 'dropped', reason, peer: peer?.id, source, ...(detail !== undefined && { detail }) });
  }

  /** Why a step did not come to its end, as V10 names it. */
  dropFailed(result: StepResult, source: Endpoint | undefined, peer?: Peer): void {
    eraseSecrets(result);
    const failure = result.step === 'failed' ? result.reason : 'worker_lost';
    this.drop(failureReasons[failure], source, peer, failure === 'decaps_auth' ? undefined : failure);
  }

  /** The effects since the last call. */
  takeEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Random in [0, 1). */
  unit(): number {
    const [low = 0, middle = 0, high = 0] = this.random(3);
    return (low + middle * 2 ** 8 + high * 2 ** 16) / 2 ** 24;
  }

  /** Ends the peer's initiator handshake, if there is one. */
  cancelInitiation(peer: Peer): void {
    if (peer.initiation !== undefined) this.peers.closeSession(peer.initiation.sidi);
    dropInitiation(peer);
    this.touch(peer);
  }

  /** Its deadlines may have changed. */
  touch(peer: Peer): void {
    this.#touched.add(peer);
  }

  /** Puts the deadlines right that changed since the last call. */
  settle(): void {
    for (const peer of this.#touched) {
      if (this.peers.has(peer)) this.deadlines.set(peer, nextDeadline(peer));
      else this.deadlines.delete(peer);
    }
    this.#touched.clear();
  }

  /** The handshake is proven on this side: the peer is where the message came from, and has a new key. */
  exchanged(peer: Peer, ck: ChainingKey, how: Proven, source: Endpoint, now: number): void {
    const { role, dialect, ownKey } = how;
    const since = now - (peer.last?.at ?? -Infinity);
    peer.endpoint = source;
    peer.last = { at: now, role, dialect };
    peer.staleAt = now + keyLifeMs;
    peer.attempt = undefined;
    peer.nextExchangeAt = begins(peer) ? now + nextExchangeDelay(peer.schedule, role, this.unit()) : Infinity;
    rememberDialect(peer, dialect);
    // Not for one that exchanges again and again: each exchange costs a worker 8 ms.
    if (role === 'responder' && since > oftenMs) this.admission.completed(source, now);
    this.admission.learn(source.address, now + keyLifeMs);
    this.touch(peer);
    const [osk, linkKey] = [ck.derive('osk'), ck.derive('linkKey')];
    this.emit({ effect: 'exchanged', peer: peer.id, osk, linkKey, role, ownKey, ...dialect, endpoint: source });
  }
}
