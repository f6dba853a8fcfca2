/** Why a datagram or packet was dropped (spec tunnel.md V10, and what only a data plane can see). */
export type DropReason =
  | 'length'
  | 'mac'
  | 'decaps_auth'
  | 'peer_unknown'
  | 'replay'
  | 'state'
  | 'cookie'
  | 'rate'
  | 'queue'
  | 'timeout'
  /** An inner packet that the filter refuses (I11). */
  | 'inner'
  /** The network or the interface took less than it was given. */
  | 'short_write';

/** Counts of what was dropped since the start. */
export class Drops {
  readonly #counts = new Map<DropReason, number>();

  /** Gives undefined, so that dropping can be a function's last word. */
  count(reason: DropReason, howMany = 1): undefined {
    if (howMany > 0) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + howMany);
  }

  of(reason: DropReason): number {
    return this.#counts.get(reason) ?? 0;
  }

  all(): ReadonlyMap<DropReason, number> {
    return this.#counts;
  }
}
