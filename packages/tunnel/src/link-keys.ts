/**
 * What two ends of a tunnel prove to one another, whoever else reads or writes what they say on other ways (K8, Q10): that a
 * hub's next Rosenpass key is named by the hub that holds its present one. Each exchange leaves both ends such a key.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** A hub's keys as it announces them: `sha256:` and 64 hex digits each. */
export type HubKeys = { current: string; next: string };

/** An InitConf may be lost, and then the next: the hub is as many exchanges behind the node. */
const keysMax = 3;
/** Whose last exchange is older than this is no longer known to be there (Q4). */
const lifeMs = 180_000;
const proofPattern = /^[0-9a-f]{64}$/;

const proofWith = (key: Uint8Array, { current, next }: HubKeys): Buffer =>
  createHmac('sha256', key).update(`labmesh next hub key\n${current}\n${next}`).digest();

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
  prove(keys: HubKeys, now: number): string | undefined {
    const [youngest] = this.#fresh(now);
    return youngest && proofWith(youngest.key, keys).toString('hex');
  }

  /** Whether the other end of a fresh exchange said so. `proof` may be anything. */
  isProven(keys: HubKeys, proof: string, now: number): boolean {
    if (!proofPattern.test(proof)) return false;
    const told = Buffer.from(proof, 'hex');
    return this.#fresh(now).some(({ key }) => timingSafeEqual(proofWith(key, keys), told));
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
