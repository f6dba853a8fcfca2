/** What other replicas may have of this one's nodes at once and ask for in vain (H6). */
import type { Clock } from '@labmesh/kit/clock';
import { LocalWindows } from '../../limits/local-windows.ts';
import { ReplicaShares } from './replica-shares.ts';

/** Of all other replicas together: RELAYED_IN. */
const relayedInMax = 2_048;
/** Of one of them. */
export const relayedInPerReplicaMax = 1_024;
/** What one asks for and no node here has: each costs the store a look. A node that moves gives some, for two seconds. */
export const refusedInRule = { max: 1_200, windowMs: 60_000 };
/** Replicas that this is noted of. */
const replicasMax = 1_000;

export class DoorLimits {
  readonly #clock: Clock;
  readonly #shares = new ReplicaShares(relayedInPerReplicaMax);
  readonly #refused = new LocalWindows(replicasMax);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why nothing more is taken of that replica now; undefined: it has a place, which is given back once. */
  fullFor(replicaId: string, open: number): string | undefined {
    if (open >= relayedInMax) return `RELAYED_IN: ${relayedInMax} connections of other replicas are open here`;
    if (!this.#refused.look(replicaId, refusedInRule, this.#clock.now(), 1).allowed)
      return `RELAYED_IN: ${refusedInRule.max} connections a minute were asked for that no node of this hub has`;
    if (this.#shares.take(replicaId)) return undefined;
    return `RELAYED_IN: ${relayedInPerReplicaMax} connections of one replica are open here`;
  }

  giveBack(replicaId: string): void {
    this.#shares.giveBack(replicaId);
  }

  /** It asked for what is no node of this hub. */
  refused(replicaId: string): void {
    this.#refused.take(replicaId, refusedInRule, this.#clock.now(), 1);
  }
}
