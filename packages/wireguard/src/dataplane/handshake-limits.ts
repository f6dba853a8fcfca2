/**
 * Who may make us compute (spec tunnel.md D6). Both checks come after mac1 and before any key agreement, which costs a
 * hundred times as much. A source that has shown by a cookie that it receives at its address is counted apart: whoever
 * only writes another's address into a datagram uses up nothing of its owner's.
 */

/** Unverified handshakes in all before cookies are asked for, a second. */
const totalPerSecond = 50;
/** Handshakes of one source, a second; for what comes at once there are bursts. */
const sourcePerSecond = 5;
const unverifiedBurst = 10;
/** Sites behind one address start together. */
const verifiedBurst = 50;
/** Cookie replies in all, a second; to one source as many as handshakes. A flood is not answered one for one. */
const repliesPerSecond = 10_000;
/** Sources remembered; the longest unheard of gives way. */
export const sourcesMax = 10_000;

class Bucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

type Source = { unverified: Bucket; verified: Bucket; replies: Bucket };

export type LimitVerdict = 'take' | 'cookie' | 'rate';

export class HandshakeLimits {
  readonly #sources = new Map<string, Source>();
  #total: Bucket | undefined;
  #replies: Bucket | undefined;

  /** `source`: an IPv4 address or an IPv6 /64. `verified` computes whether mac2 is right; asked when it matters only. */
  judge(source: string, verified: () => boolean, nowMs: number): LimitVerdict {
    const known = this.#source(source, nowMs);
    this.#total ??= new Bucket(totalPerSecond, totalPerSecond, nowMs);
    if (known.unverified.take(nowMs) && this.#total.take(nowMs)) return 'take';
    if (verified()) return known.verified.take(nowMs) ? 'take' : 'rate';
    this.#replies ??= new Bucket(repliesPerSecond, repliesPerSecond, nowMs);
    return known.replies.take(nowMs) && this.#replies.take(nowMs) ? 'cookie' : 'rate';
  }

  #source(name: string, nowMs: number): Source {
    const known = this.#sources.get(name) ?? {
      unverified: new Bucket(sourcePerSecond, unverifiedBurst, nowMs),
      verified: new Bucket(sourcePerSecond, verifiedBurst, nowMs),
      replies: new Bucket(sourcePerSecond, unverifiedBurst, nowMs),
    };
    // Last in the map is last heard of.
    this.#sources.delete(name);
    this.#sources.set(name, known);
    if (this.#sources.size > sourcesMax) {
      for (const oldest of this.#sources.keys()) {
        this.#sources.delete(oldest);
        break;
      }
    }
    return known;
  }
}
