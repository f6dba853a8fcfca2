/** What is known of one peer's PSK: its writes, exchanges and handshakes, as `judgePq` wants them. */
import { judgePq, pqFreshMs, type PqVerdict, type PskKind, type PskWrite } from './judge-pq.ts';

/** Writes kept: more than fit into the life of a session. */
const writesMax = 8;
/** Wall clock and monotonic clock drift apart by less between two looks. */
const jumpMs = 2_000;
/** A handshake is due at this age (Q8), and then has this long. */
const handshakeDueMs = 150_000;
const handshakeGraceMs = 15_000;
/** Exchanges asked for in vain before the wait grows. */
const plainTries = 3;
const retryCapMs = 300_000;
const retryFirstMs = 30_000;

export type Now = { mono: number; wall: number };

export type PskPeer = {
  id: string;
  publicKey: Uint8Array;
  /** Strict: without a fresh exchange nothing passes (Q4). Permissive: traffic goes on, and says so (Q6). */
  mode: 'strict' | 'permissive';
  hasRosenpass: boolean;
  /** Of the permissive mode, before the first exchange. */
  fallbackAfterMs: number;
};

export class PskRecord {
  peer: PskPeer;
  readonly addedAt: number;
  kind: PskKind;
  generation = 0;
  /** Cut since the last exchange: once is enough. */
  isCut = false;
  isFallback = false;
  rxBytes = 0;
  txBytes = 0;
  /** Of `pq`, wall clock. */
  since: number;
  verdict: PqVerdict;
  #isOskWritten = false;
  #lastExchangeAt: number | undefined;
  #lastHandshakeMs: number | undefined;
  #isClockJumped = false;
  /** Between the two clocks when the handshake was seen. */
  #offset: number;
  #writes: PskWrite[] = [];
  /** Exchanges asked for because no handshake followed a key. */
  #tries = 0;
  #nextTryAt = 0;
  #lastOskAt: number | undefined;

  constructor(peer: PskPeer, kind: PskKind, now: Now) {
    this.peer = peer;
    this.kind = kind;
    this.addedAt = now.mono;
    this.since = now.wall;
    this.#offset = now.wall - now.mono;
    this.#writes.push({ kind, before: now.wall, after: now.wall });
    this.verdict = this.judge(now);
  }

  get lastHandshakeMs(): number | undefined {
    return this.#lastHandshakeMs;
  }
  get lastExchangeAt(): number | undefined {
    return this.#lastExchangeAt;
  }
  /** When the device was last given an exchanged key. */
  get lastKeyAt(): number {
    return this.#lastOskAt ?? -Infinity;
  }
  get isMismatched(): boolean {
    return this.#tries >= plainTries;
  }
  /** When, without another exchange, the peer is stale. */
  get staleAt(): number {
    if (this.#lastExchangeAt !== undefined) return this.#lastExchangeAt + pqFreshMs;
    return this.addedAt + (this.peer.mode === 'permissive' ? this.peer.fallbackAfterMs : pqFreshMs);
  }

  /** An exchange ended, whether or not its key reached the device. */
  exchanged(isWritten: boolean, now: Now): void {
    this.#lastExchangeAt = now.mono;
    this.#isOskWritten = isWritten;
    if (!isWritten) return;
    this.generation++;
    this.isCut = false;
    this.isFallback = false;
    this.#lastOskAt = now.mono;
  }

  /** It takes the place of this one: the same peer by another key (K8). */
  follow({ generation, since, verdict }: PskRecord): void {
    [this.generation, this.since, this.verdict] = [generation, since, verdict];
  }

  wrote(write: PskWrite): void {
    this.kind = write.kind;
    this.#writes.push(write);
    if (this.#writes.length > writesMax) this.#writes.shift();
  }

  /** What the device tells of the peer now. */
  seen(handshakeMs: number | undefined, rxBytes: number, txBytes: number, now: Now): void {
    if (handshakeMs !== this.#lastHandshakeMs) {
      this.#lastHandshakeMs = handshakeMs;
      this.#isClockJumped = false;
      this.#offset = now.wall - now.mono;
    }
    this.rxBytes = rxBytes;
    this.txBytes = txBytes;
  }

  /** It was cut: there is no session until another handshake is seen. */
  sessionEnded(): void {
    this.#lastHandshakeMs = undefined;
  }

  /** Notes a jump of the wall clock, at once or in small steps: the handshake that is known was timed by another clock. */
  checkClock(now: Now): void {
    const moved = Math.abs(now.wall - now.mono - this.#offset);
    if (moved > jumpMs && this.#lastHandshakeMs !== undefined) this.#isClockJumped = true;
  }

  judge(now: Now): PqVerdict {
    return judgePq(
      {
        hasRosenpass: this.peer.hasRosenpass,
        isFallback: this.isFallback,
        lastExchangeAt: this.#lastExchangeAt,
        isOskWritten: this.#isOskWritten,
        writes: this.#writes,
        lastHandshakeMs: this.#lastHandshakeMs,
        isClockJumped: this.#isClockJumped,
      },
      now,
    );
  }

  /**
   * Q8: a fresh key is there and the handshake that should use it is not: the two ends hold different keys. True each time
   * another exchange should be tried.
   */
  wantsExchange(now: Now): boolean {
    const oskAt = this.#lastOskAt;
    if (oskAt === undefined || this.kind !== 'rosenpass' || now.mono - oskAt >= pqFreshMs) return false;
    const age = this.#lastHandshakeMs === undefined ? Infinity : now.wall - this.#lastHandshakeMs;
    const overdue = Math.min(age - handshakeDueMs, now.mono - oskAt);
    if (age <= handshakeDueMs) this.#tries = 0;
    if (overdue < handshakeGraceMs || now.mono < this.#nextTryAt) return false;
    this.#tries++;
    const over = this.#tries - plainTries;
    const waitMs = over < 0 ? handshakeGraceMs : Math.min(retryFirstMs * 2 ** over, retryCapMs);
    this.#nextTryAt = now.mono + waitMs;
    return true;
  }
}
