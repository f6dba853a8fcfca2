import { expect, test } from 'bun:test';
import { Metrics } from '@labmesh/kit/metrics';
import type { TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import { addTunnelMetrics } from './tunnel-metrics.ts';

test('post-quantum is 1 while it is proven and the interface carries it; without a tunnel nothing is (V8, N9)', () => {
  const hub = { name: 'hub', pq: 'active', exchangeAgeS: 7, handshakeAgeS: null, rxBytes: 1, txBytes: 2 } as TunnelPeer;
  const open = { peers: [hub], drops: { mac: 3 }, queue: { depth: 0, dropped: 0 } } as unknown as TunnelView;
  let view: TunnelView | undefined;
  const metrics = new Metrics('labman_');
  addTunnelMetrics(metrics, () => view);
  expect(metrics.render()).not.toContain('tunnel_pq{');
  view = open;
  expect(metrics.render()).toContain('labman_tunnel_pq{peer="hub"} 1\n');
  expect(metrics.render()).toContain('labman_tunnel_fault 0\n');
  view = { ...open, fault: 'isolation_lost: somebody works against us' };
  expect(metrics.render()).toContain('labman_tunnel_pq{peer="hub"} 0\n');
  expect(metrics.render()).toContain('labman_tunnel_fault 1\n');
  view = { ...open, peers: [{ ...hub, pq: 'stale' }] };
  expect(metrics.render()).toContain('labman_tunnel_pq{peer="hub"} 0\n');
});

test('each metric of the list is on the page, and what only rises is a counter (V8)', () => {
  const hub = { name: 'hub', pq: 'active', exchangeAgeS: 7, handshakeAgeS: 3, rxBytes: 1, txBytes: 2 } as TunnelPeer;
  const view = {
    peers: [hub],
    drops: {},
    dropTotals: { mac: 3, inner: 4 },
    exchangeEnds: [
      { role: 'initiator', result: 'ok', count: 5 },
      { role: 'responder', result: 'decaps_auth', count: 6 },
    ],
    decapsulations: { count: 8, seconds: 0.25 },
    queue: { depth: 9, dropped: 4 },
  } as unknown as TunnelView;
  const metrics = new Metrics('labd_');
  addTunnelMetrics(metrics, () => view);
  const page = metrics.render();
  const lines = [
    'tunnel_pq{peer="hub"} 1',
    'tunnel_pq_age_seconds{peer="hub"} 7',
    'tunnel_exchanges_total{role="initiator",result="ok"} 5',
    'tunnel_exchanges_total{role="responder",result="decaps_auth"} 6',
    'tunnel_handshake_age_seconds{peer="hub"} 3',
    'tunnel_bytes_total{peer="hub",dir="in"} 1',
    'tunnel_bytes_total{peer="hub",dir="out"} 2',
    'tunnel_drops_total{reason="mac"} 3',
    'tunnel_drops_total{reason="inner"} 4',
    'tunnel_decaps_seconds_sum 0.25',
    'tunnel_decaps_seconds_count 8',
    'tunnel_queue_depth 9',
  ];
  for (const line of lines) expect(page).toContain(`labd_${line}\n`);
  for (const name of ['exchanges_total', 'bytes_total', 'drops_total', 'decaps_seconds_sum', 'decaps_seconds_count'])
    expect(page).toContain(`# TYPE labd_tunnel_${name} counter\n`);
  // Read anew at each scrape, not added to the last one.
  expect(metrics.render()).toBe(page);
});
