/** What is relayed between replicas, counted (V8). */
import type { Metrics } from '@labmesh/kit/metrics';

/** `refused`: nobody here may be asked for that; `limit`: too many at once; `failed`: not reached, or broken off. */
const results = ['ok', 'refused', 'limit', 'failed'] as const;
export type RelayResult = (typeof results)[number];
/** `asking`: a process of this machine asks; `holding`: another replica asks for a node of our hub. */
const sides = ['asking', 'holding'] as const;
export type RelaySide = (typeof sides)[number];

export class RelayCounts {
  /** Connections under way. */
  readonly open: Record<RelaySide, number> = { asking: 0, holding: 0 };
  /** Bytes that came from the client here, or from the node here. */
  readonly bytes: Record<RelaySide, number> = { asking: 0, holding: 0 };
  readonly #ends = new Map<string, number>();
  /** Connections that are being told why they lead nowhere. */
  refusing = 0;
  /** Nodes of other hubs that are answered here. */
  nodes = 0;

  ended(side: RelaySide, result: RelayResult): void {
    const key = `${side} ${result}`;
    this.#ends.set(key, (this.#ends.get(key) ?? 0) + 1);
  }
  endsOf(side: RelaySide, result: RelayResult): number {
    return this.#ends.get(`${side} ${result}`) ?? 0;
  }
}

export function addRelayMetrics(metrics: Metrics, counts: RelayCounts): void {
  metrics.gauge('tunnel_relay_nodes', 'Nodes of other replicas’ hubs that are reached through them', {
    read: () => counts.nodes,
  });
  metrics.gauge('tunnel_relay_connections', 'Connections that are relayed now', {
    labels: ['side'],
    read: () => sides.map((side) => ({ labels: [side], value: counts.open[side] })),
  });
  metrics.counter('tunnel_relays_total', 'Connections that were relayed, and how that ended', {
    labels: ['side', 'result'],
    read: () =>
      sides.flatMap((side) =>
        results.map((result) => ({ labels: [side, result], value: counts.endsOf(side, result) })),
      ),
  });
  metrics.counter('tunnel_relay_bytes_total', 'Bytes taken in for another replica: of clients here, of nodes here', {
    labels: ['side'],
    read: () => sides.map((side) => ({ labels: [side], value: counts.bytes[side] })),
  });
}
