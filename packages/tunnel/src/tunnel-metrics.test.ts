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
  expect(metrics.render()).toContain('labman_tunnel_drops_total{reason="mac"} 3\n');
  view = { ...open, fault: 'isolation_lost: somebody works against us' };
  expect(metrics.render()).toContain('labman_tunnel_pq{peer="hub"} 0\n');
  expect(metrics.render()).toContain('labman_tunnel_fault 1\n');
  view = { ...open, peers: [{ ...hub, pq: 'stale' }] };
  expect(metrics.render()).toContain('labman_tunnel_pq{peer="hub"} 0\n');
});
