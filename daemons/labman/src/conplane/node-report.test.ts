import { expect, test } from 'bun:test';
import type { TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import { nodeHeartbeat, type ReportParts } from './node-report.ts';

const parts = (view: TunnelView | undefined, isDraining = false) =>
  ({
    registry: { endpoints: [], usable: () => true },
    slugs: { entries: () => [] },
    metrics: { totals: { active: 0, requests: 0, errors: 0 } },
    version: '1',
    isDraining: () => isDraining,
    tunnel: () => view,
  }) as unknown as ReportParts;
const hub = (handshakeAgeS: number | null) => ({ pq: 'active', handshakeAgeS }) as TunnelPeer;
const told = (view: TunnelView | undefined, isDraining = false) => {
  const { tunnel, status } = nodeHeartbeat(parts(view, isDraining), 'n-1');
  return { tunnel, state: status.state, error: status.error_message };
};

test('a node is running while its tunnel is up, and post-quantum while that is proven', () => {
  const view = { peers: [hub(12)] } as unknown as TunnelView;
  expect(told(view)).toEqual({
    tunnel: { state: 'up', pq: true, handshake_age_s: 12 },
    state: 'running',
    error: undefined,
  });
  expect(told({ ...view, peers: [hub(200)] })).toMatchObject({ tunnel: { state: 'connecting' }, state: 'degraded' });
  expect(told(undefined)).toMatchObject({ tunnel: { state: 'down', pq: false }, state: 'degraded' });
  expect(told(view, true).state).toBe('stopping');
});

test('with an interface that others work against it is in error, and says why (N9)', () => {
  const fault = 'isolation_lost: more than 3 repairs within a minute; the interface is down';
  const view = { peers: [hub(12)], fault } as unknown as TunnelView;
  const tunnel = { state: 'down', pq: false, handshake_age_s: 12 };
  expect(told(view)).toEqual({ tunnel, state: 'error', error: fault });
});
