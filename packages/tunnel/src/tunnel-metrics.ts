/** The tunnel on a metrics page (V8); both ends have the same names behind their own prefix. */
import type { Metrics } from '@labmesh/kit/metrics';
import type { TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';

/** Peers of a hub may be many; above this the page names no more of them. */
const seriesMax = 2_000;

/** `view` gives undefined while there is no tunnel: then there are no lines. */
export function addTunnelMetrics(metrics: Metrics, view: () => TunnelView | undefined): void {
  const peers = (seen = view()) => seen?.peers.slice(0, seriesMax) ?? [];
  const each = (read: (peer: TunnelPeer, isDown: boolean) => number | null) => () => {
    const seen = view();
    return peers(seen).flatMap((peer) => {
      const value = read(peer, seen?.fault !== undefined);
      return value === null ? [] : [{ labels: [peer.name], value }];
    });
  };
  const labels = ['peer'];
  const gauge = (name: string, help: string, read: Parameters<typeof each>[0]) =>
    metrics.gauge(name, help, { labels, seriesMax, read: each(read) });
  const isProven = ({ pq }: TunnelPeer, isDown: boolean) => Number(pq === 'active' && !isDown);
  gauge('tunnel_pq', '1 while the traffic of the peer is proven post-quantum', isProven);
  metrics.gauge('tunnel_fault', '1 while the interface is down because others work against it (isolation_lost)', {
    read: () => Number(view()?.fault !== undefined),
  });
  gauge('tunnel_pq_age_seconds', 'Since the last key exchange', ({ exchangeAgeS }) => exchangeAgeS);
  gauge('tunnel_handshake_age_seconds', 'Since the last WireGuard handshake', ({ handshakeAgeS }) => handshakeAgeS);
  addCounts(metrics, view);
  metrics.counter('tunnel_bytes_total', 'Bytes through the tunnel', {
    labels: ['peer', 'dir'],
    seriesMax: 2 * seriesMax,
    read: () =>
      peers().flatMap(({ name, rxBytes, txBytes }) => [
        { labels: [name, 'in'], value: rxBytes },
        { labels: [name, 'out'], value: txBytes },
      ]),
  });
  metrics.gauge('tunnel_queue_depth', 'Handshakes that wait for a thread', { read: () => view()?.queue.depth ?? 0 });
}

/** Of all peers together, also those that are gone: they only rise. */
function addCounts(metrics: Metrics, view: () => TunnelView | undefined): void {
  metrics.counter('tunnel_exchanges_total', 'Key exchanges that ended: ok, or why they failed', {
    labels: ['role', 'result'],
    read: () =>
      (view()?.exchangeEnds ?? []).map(({ role, result, count }) => ({ labels: [role, result], value: count })),
  });
  metrics.counter('tunnel_drops_total', 'Datagrams and inner packets that were dropped', {
    labels: ['reason'],
    seriesMax: 64,
    read: () => Object.entries(view()?.dropTotals ?? {}).map(([reason, value]) => ({ labels: [reason], value })),
  });
  const decaps = (read: (seen: NonNullable<TunnelView['decapsulations']>) => number) => () => {
    const seen = view()?.decapsulations;
    return seen === undefined ? [] : [{ value: read(seen) }];
  };
  const help = 'Decapsulations of McEliece, with the wait for a thread';
  metrics.counter('tunnel_decaps_seconds_sum', `${help}: seconds`, { read: decaps(({ seconds }) => seconds) });
  metrics.counter('tunnel_decaps_seconds_count', `${help}: how many`, { read: decaps(({ count }) => count) });
}
