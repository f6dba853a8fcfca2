/**
 * Whether an InitHello may cost 8-45 ms of a worker (spec tunnel.md D3, D5). Its mac fits, which proves only that the
 * sender knows our public key.
 *
 *     source's bucket ── RP_UNKNOWN, unless the source has a live session ──→ admitted
 *            │                └── empty, so there is a flood: "prove your address" ──→ `cookie`
 *            └── empty: `rate`; or, while the queue is over half full ──→ `cookie`
 *                  └── proven: buckets of its own, so that nobody who forges addresses can empty them
 *
 * Strangers that a flood would shut out are often our own: after a restart of the hub every node is one, and so is a node
 * whose address changed. Where a peer was before has its own RP_UNKNOWN, for releases (V02) may know no cookies; when
 * that is empty, or the address's own bucket, somebody forges those addresses, and who speaks V03 may prove its own. Who
 * cannot has a turn now and then (RP_TURNS), whichever other addresses are forged: to take it away one has to forge its own,
 * or so many others that all turns of that time are used up.
 */
import type { Endpoint, ProtocolVersion } from '../effects.ts';
import type { CookieSecrets } from './cookie-secrets.ts';
import type { JobQueue, Urgency } from './job-queue.ts';
import { sourceKey } from './source-key.ts';
import { SourceBuckets, TokenBucket } from './token-bucket.ts';

/** RP_SOURCE, kept for this many sources. */
const sourceRate = { perSecond: 5, burst: 10 };
const sourcesMax = 10_000;
/** RP_UNKNOWN, for each worker. */
const unknownRate = { perSecond: 10, burst: 10 };
/** RP_COOKIES: answers to a flood. One costs the main thread about twice what a refusal does. */
const cookieRate = { perSecond: 1_000, burst: 200 };
/** RP_TURNS: of one address where a peer was; of all of them together as many as RP_UNKNOWN. */
const turnRate = { perSecond: 1 / 30, burst: 1 };
/** Addresses of peers that are remembered: as many as there may be peers. */
const knownMax = 20_000;

type Hello = { source: Endpoint; message: Uint8Array; version: ProtocolVersion; now: number };
export type CookieMode = 'auto' | 'off' | 'always';

const unknownBucket = (workers: number) =>
  new TokenBucket({ perSecond: unknownRate.perSecond * workers, burst: unknownRate.burst * workers });

class Gate {
  readonly sources = new SourceBuckets(sourceRate, sourcesMax);
  readonly unknown: TokenBucket;

  constructor(workers: number) {
    this.unknown = unknownBucket(workers);
  }
}

export class Admission {
  readonly #mode: CookieMode;
  readonly #cookies: CookieSecrets;
  readonly #unproven: Gate;
  readonly #proven: Gate;
  /** Of addresses where a peer was: what strangers do does not touch it. */
  readonly #away: TokenBucket;
  readonly #turns = new SourceBuckets(turnRate, knownMax);
  readonly #turnsOfAll: TokenBucket;
  readonly #floodCookies = new TokenBucket(cookieRate);
  /** Addresses of peers → until when a session of theirs lives; longest unused first. */
  readonly #known = new Map<string, number>();

  constructor(mode: CookieMode, cookies: CookieSecrets, workers: number) {
    this.#mode = mode;
    this.#cookies = cookies;
    this.#unproven = new Gate(workers);
    this.#proven = new Gate(workers);
    this.#away = unknownBucket(workers);
    this.#turnsOfAll = unknownBucket(workers);
  }

  /** A peer is to be found at this address; `liveUntil` when it has just proved to be there. */
  learn(address: string, liveUntil = 0): void {
    const key = sourceKey(address);
    const until = Math.max(liveUntil, this.#known.get(key) ?? 0);
    this.#known.delete(key);
    this.#known.set(key, until);
    if (this.#known.size <= knownMax) return;
    const [longestUnused = ''] = this.#known.keys();
    this.#known.delete(longestUnused);
  }

  /** The peer there was removed. Another one at the same address is known again after its next exchange. */
  forget(address: string): void {
    this.#known.delete(sourceKey(address));
  }

  /** `cookie`: ask for one. `version` is that of the mac. */
  judge(hello: Hello, queue: Pick<JobQueue, 'overHalf' | 'hasRoom'>): Urgency | 'rate' | 'cookie' {
    const { source, message, version, now } = hello;
    const busy = queue.overHalf;
    const key = sourceKey(source.address);
    const liveUntil = this.#known.get(key);
    const isKnown = liveUntil !== undefined;
    const live = isKnown && liveUntil > now;
    // Old releases cannot prove anything; but where a peer lives, whoever forges its address must not starve it.
    const exempt = this.#mode === 'off' || (version === 'V02' && isKnown && !live);
    const demanded = this.#mode === 'always' && !isKnown;
    const isWithinRate = !demanded && this.#unproven.sources.take(key, now);
    if (isWithinRate && (live || (isKnown ? this.#away : this.#unproven.unknown).take(now))) {
      return live ? 'live' : 'unknown';
    }
    // A turn that ends before a full queue would be lost for half a minute.
    const mayTakeTurn = isKnown && isWithinRate && queue.hasRoom('unknown');
    if (exempt) return mayTakeTurn && this.#takeTurn(key, now) ? 'unknown' : 'rate';
    // Its own rate is kept, and RP_UNKNOWN is empty: others have used it up.
    const isFlooded = isWithinRate;
    if (!(demanded || busy || isKnown || isFlooded)) return 'rate';
    if (!this.#cookies.fits(source, message, now)) {
      return demanded || busy || isKnown || this.#floodCookies.take(now) ? 'cookie' : 'rate';
    }
    if (!this.#proven.sources.take(key, now)) return 'rate';
    // Where a peer was it has proven itself: what strangers prove of their own addresses does not hold it up, either.
    if (isKnown) return 'live';
    return this.#proven.unknown.take(now) ? 'unknown' : 'rate';
  }

  /** The address's own first, so that one address cannot use up those of all; what it had no use of it keeps. */
  #takeTurn(key: string, now: number): boolean {
    if (!this.#turns.take(key, now)) return false;
    if (this.#turnsOfAll.take(now)) return true;
    this.#turns.giveBack(key);
    return false;
  }

  /** Whether a RespHello of our own handshake may cost a decapsulation: it needs no more than its session id to try. */
  takeAnswer(source: Endpoint, now: number): boolean {
    return this.#unproven.sources.take(sourceKey(source.address), now);
  }

  /**
   * A handshake with this source was completed: its InitHello was no junk and gives its tokens back. Thousands of nodes
   * that start at once are then held up by the worker and not by RP_UNKNOWN (H5); a replayed InitHello never gets this
   * far. Call it before `learn`: a live session took no token of RP_UNKNOWN.
   */
  completed(source: Endpoint, now: number): void {
    const key = sourceKey(source.address);
    const liveUntil = this.#known.get(key);
    for (const gate of [this.#unproven, this.#proven]) {
      gate.sources.giveBack(key);
      if (liveUntil === undefined) gate.unknown.giveBack();
    }
    if (liveUntil !== undefined && liveUntil <= now) this.#away.giveBack();
  }
}
