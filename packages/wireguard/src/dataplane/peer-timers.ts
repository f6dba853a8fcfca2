/**
 * The timers of one peer (spec tunnel.md 5.9), as deadlines in monotonic milliseconds; Infinity when not running. They
 * only say when; the data plane does what is due.
 */

export const rekeyAfterMs = 120_000;
export const rejectAfterMs = 180_000;
/** An initiator that only receives renews its session this late: before the end, after a missed keepalive. */
export const rekeyOnReceiveMs = 165_000;
export const retryMs = 5_000;
const retryJitterMs = 333;
/** After this long without an answer, attempts end until there is new traffic. */
export const attemptsMs = 90_000;
const keepaliveMs = 10_000;
const silenceMs = keepaliveMs + retryMs;
const zeroAfterMs = 3 * rejectAfterMs;

export type TimerName = 'retry' | 'keepalive' | 'silence' | 'persistent' | 'zero';

export class PeerTimers {
  readonly #jitter: () => number;
  readonly #at: Record<TimerName, number> = {
    zero: Infinity,
    retry: Infinity,
    silence: Infinity,
    keepalive: Infinity,
    persistent: Infinity,
  };
  #persistentMs = 0;

  /** `jitter` gives 0 ≤ x < 1. */
  constructor(jitter: () => number) {
    this.#jitter = jitter;
  }

  /** The earliest deadline. */
  get next(): number {
    const at = this.#at;
    return Math.min(at.zero, at.retry, at.silence, at.keepalive, at.persistent);
  }

  /** The timers that are due. They stop with this, but for the persistent keepalive, which comes again. */
  takeDue(nowMs: number): TimerName[] {
    const names = Object.keys(this.#at) as TimerName[];
    const due = names.filter((name) => this.#at[name] <= nowMs);
    for (const name of due) this.#at[name] = Infinity;
    if (due.includes('persistent')) this.#traversed(nowMs);
    return due;
  }

  /** 0 switches the persistent keepalive off; anything else asks for one now. */
  setPersistent(ms: number, nowMs: number): void {
    this.#persistentMs = ms;
    this.#at.persistent = ms === 0 ? Infinity : nowMs;
  }

  initiationSent(nowMs: number): void {
    this.#at.retry = this.#jittered(nowMs + retryMs);
    this.#traversed(nowMs);
  }

  /** An initiation is wanted but must wait. */
  retryAt(ms: number): void {
    this.#at.retry = ms;
  }

  responseSent(nowMs: number): void {
    this.#traversed(nowMs);
  }

  /** The handshake is done, or given up. */
  handshakeEnded(): void {
    this.#at.retry = Infinity;
    this.#at.silence = Infinity;
  }

  /** `data`: it had content; a keepalive has none. */
  packetSent(nowMs: number, data: boolean): void {
    this.#at.keepalive = Infinity;
    if (data && this.#at.silence === Infinity) this.#at.silence = this.#jittered(nowMs + silenceMs);
    this.#traversed(nowMs);
  }

  packetReceived(nowMs: number, data: boolean): void {
    this.#at.silence = Infinity;
    if (data && this.#at.keepalive === Infinity) this.#at.keepalive = nowMs + keepaliveMs;
    this.#traversed(nowMs);
  }

  /** Either side has new keys: they are zeroed this long after, unless newer ones come. */
  sessionStarted(nowMs: number): void {
    this.#at.zero = nowMs + zeroAfterMs;
  }

  #traversed(nowMs: number): void {
    if (this.#persistentMs > 0) this.#at.persistent = nowMs + this.#persistentMs;
  }

  #jittered(ms: number): number {
    return ms + this.#jitter() * retryJitterMs;
  }
}
