import { expect, test } from 'bun:test';
import type { TunnelView } from '@labmesh/wire/tunnel';
import { withExposure } from './with-exposure.ts';

test('without isolation a view names what listens beyond loopback on this machine, and with it nothing (I5)', async () => {
  const view = (isolation: TunnelView['isolation']) => ({ isolation }) as TunnelView;
  const listen = (hostname: string) => Bun.serve({ hostname, port: 0, fetch: () => new Response('here') });
  await using open = listen('0.0.0.0');
  await using local = listen('127.0.0.1');
  const { exposed = [] } = withExposure(view('none'));
  expect(exposed).toContainEqual({ protocol: 'tcp', address: '0.0.0.0', port: open.port ?? 0 });
  expect(exposed.map(({ port }) => port)).not.toContain(local.port ?? 0);
  const [address, port] = ['0.0.0.0', open.port ?? 0];
  const relayed = [{ name: 'site', address, port, replicaId: 'replica-2', connections: 0, error: null }];
  const less = withExposure({ ...view('none'), relayed }).exposed;
  expect(less).not.toContainEqual({ protocol: 'tcp', address, port });
  for (const isolation of ['netns', 'filter'] as const) expect(withExposure(view(isolation))).toEqual(view(isolation));
});
