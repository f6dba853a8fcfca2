/**
 * What two ends of a tunnel prove to one another, whoever else reads or writes what they say on other ways (K8, Q10): that
 * another key is named by the end that holds the present Rosenpass key. Each exchange leaves both ends such a key.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * What is proven, and of which keys: Rosenpass ones as `sha256:` and 64 hex digits, WireGuard's in base64. The words keep
 * apart who says it: what a hub said proves nothing of a node.
 */
export type LinkClaim =
  | readonly [what: 'next hub key', current: string, next: string]
  /** `next`: `none` without one. */
  | readonly [what: 'hub wireguard keys', rosenpass: string, current: string, next: string]
  | readonly [what: 'next node wireguard key', current: string, next: string]
  | readonly [what: 'next node wireguard key taken', current: string, next: string];

/** An InitConf may be lost, and then the next: the hub is as many exchanges behind the node. */
const keysMax = 3;
/** Whose last exchange is older than this is no longer known to be there (Q4). */
const lifeMs = 180_000;
const proofPattern = /^[0-9a-f]{64}$/;

const proofWith = (key: Uint8Array, claim: LinkClaim): Buffer =>
  createHmac('sha256', key)
    .update(`labmesh ${claim.join('\n')}`)
    .digest();

/** Of one peer. Times are monotonic milliseconds. */
export class LinkKeys {
  /** Youngest first. */
  #held: { key: Uint8Array; at: number }[] = [];

  /** The key of an exchange that ended now; it is this object's from here on. */
  add(key: Uint8Array, now: number): void {
    this.#held.unshift({ key, at: now });
    for (const { key: old } of this.#held.splice(keysMax)) old.fill(0);
  }

  /** 64 hex digits; undefined without a fresh exchange. */
  prove(claim: LinkClaim, now: number): string | undefined {
    const [youngest] = this.#fresh(now);
    return youngest && proofWith(youngest.key, claim).toString('hex');
  }

  /** Whether the other end of a fresh exchange, one that ended `since` then, said so. `proof` may be anything. */
  isProven(claim: LinkClaim, proof: string, now: number, since = -Infinity): boolean {
    if (!proofPattern.test(proof)) return false;
    const told = Buffer.from(proof, 'hex');
    return this.#fresh(now).some(({ key, at }) => at >= since && timingSafeEqual(proofWith(key, claim), told));
  }

  /** Zeroes all of them: what was proven with another pair proves nothing of this one. */
  clear(): void {
    for (const { key } of this.#held) key.fill(0);
    this.#held = [];
  }

  #fresh(now: number) {
    for (const { key, at } of this.#held) if (now - at >= lifeMs) key.fill(0);
    this.#held = this.#held.filter(({ at }) => now - at < lifeMs);
    return this.#held;
  }
}
