import { expect, test } from 'bun:test';
import type { TunnelView } from '@labmesh/wire/tunnel';
import { tunnelFindings } from './check-tunnel.ts';

const view = (change: object) =>
  ({
    backend: 'native',
    isolation: 'filter',
    interface: 'labhub0',
    listenPort: 51_820,
    peers: [],
    ...change,
  }) as unknown as TunnelView;
const said = (change: object) =>
  tunnelFindings(view(change)).map(({ state, name, text }) => `${state} ${name}: ${text}`);
const peer = (name: string, pq: string) => ({ name, pq });

test('a hub that is as it should be', () => {
  expect(said({ peers: [peer('a', 'active')] })).toEqual(['ok tunnel: labhub0 on native, 1 peers, all post-quantum']);
});

test('an interface that is down, whatever is said of peers (N9)', () => {
  const fault = 'isolation_lost: more than 3 repairs within a minute';
  expect(said({ fault, peers: [peer('a', 'active')] })).toEqual([
    `warn tunnel: labhub0 is down, nothing passes: ${fault}`,
  ]);
});

test('peers that are not post-quantum are named, some of many', () => {
  const peers = Array.from({ length: 8 }, (_, n) => peer(`site-${n}`, n === 0 ? 'active' : 'stale'));
  expect(said({ peers })).toEqual([
    'warn tunnel: not post-quantum at this moment: site-1, site-2, site-3, site-4, site-5 and 2 more',
  ]);
});

test('nodes of other hubs that were not reached (H6)', () => {
  const relayed = ['site-a', 'site-b'].map((name) => ({ name, error: name === 'site-a' ? 'replica-2 is away' : null }));
  expect(said({ relayed })[1]).toBe('warn tunnel relay: nodes of other replicas’ hubs were not reached: site-a');
  expect(said({ relayed: relayed.slice(1) })).toHaveLength(1);
});

test('a listen list without effect, and no isolation', () => {
  for (const backend of ['kernel', 'wireguard-go'])
    expect(said({ backend })[1]).toBe(
      `warn tunnel port: UDP 51820 is open on every address of the hub: ${backend} knows no listen list`,
    );
  const exposed = [{ protocol: 'tcp', address: '0.0.0.0', port: 3_100 }];
  expect(said({ isolation: 'none', exposed })[1]).toBe(
    'warn tunnel isolation: without isolation nodes reach every service of the hub: tcp 0.0.0.0 3100',
  );
  for (const { state, fix } of tunnelFindings(view({ backend: 'kernel', isolation: 'none' })))
    expect(state === 'ok' || (fix ?? '') !== '').toBe(true);
});
