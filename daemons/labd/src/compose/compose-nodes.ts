/** Nodes: their tokens, registration and heartbeats, over the tunnel if there is one. */
import { pinText } from '../login/user-certificates.ts';
import { type NodeServices, nodeServices } from '../nodes/node-services.ts';
import { type NodeTunnel, noTunnel } from '../nodes/node-tunnel.ts';
import type { Ground, Urls } from '../settings/ground.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';
import type { Trust } from './compose-trust.ts';

export type NodesComposeParts = Pick<Trust, 'authority'> &
  Pick<World, 'store' | 'clock'> & { options: LabdOptions; ground: Ground; urls: Urls };

export function composeNodes(parts: NodesComposeParts, stack: AsyncDisposableStack): NodeServices {
  const { store, clock, options, ground, urls, authority } = parts;
  const { dataDir, replicaId, range } = ground;
  const tunnel: NodeTunnel = noTunnel;
  // Who shows a certificate of the operator's own is known by whom everybody trusts.
  const caPin = () => (options.conplaneTlsCert === undefined ? pinText(authority) : undefined);
  const target = () =>
    urls.node === undefined ? undefined : { url: urls.node, caPin: caPin(), hub: tunnel.conplane() };
  return nodeServices({ store, clock, options, dataDir, replicaId, range, tunnel, target }, stack);
}
