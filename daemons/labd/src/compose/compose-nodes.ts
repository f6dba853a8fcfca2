/** Nodes: their tokens, registration and heartbeats, over the hub of the tunnel if this replica has one. */
import { pinText } from '../login/user-certificates.ts';
import { type NodeServices, nodeServices } from '../nodes/node-services.ts';
import { noTunnel } from '../nodes/node-tunnel.ts';
import type { Urls } from '../settings/ground.ts';
import { TunnelDesk } from '../tunnel/tunnel-desk.ts';
import type { TunnelHub } from '../tunnel/tunnel-hub.ts';
import { composeNodeRelay, type NodeRelay } from './compose-node-relay.ts';
import { composeTunnel, type TunnelComposeParts } from './compose-tunnel.ts';
import type { Trust } from './compose-trust.ts';

export type NodesComposeParts = Pick<Trust, 'authority'> &
  Omit<TunnelComposeParts, 'onGone' | 'onTaken'> & { urls: Urls };

export type NodePlane = { nodes: NodeServices; tunnel: TunnelDesk; nodeRelay: NodeRelay };

/** @throws OptionsError, TunnelError, TunnelKeyError for a tunnel that cannot be opened */
export async function composeNodes(parts: NodesComposeParts, stack: AsyncDisposableStack): Promise<NodePlane> {
  const { store, secrets, clock, options, ground, urls, authority } = parts;
  const { dataDir, replicaId, range } = ground;
  // The door for other replicas hears of peers that go from the moment that there can be one.
  const opened: { hub?: TunnelHub | undefined } = {};
  const nodeRelay = composeNodeRelay({ ...parts, replicaId }, () => opened.hub, stack);
  const onGone = (id: string) => nodeRelay.door.endPeer(id);
  const hub = await composeTunnel({ ...parts, onGone, onTaken: (address) => nodeRelay.taken(address) }, stack);
  opened.hub = hub;
  const tunnel = hub ?? noTunnel;
  // Who shows a certificate of the operator's own is known by whom everybody trusts.
  const caPin = () => (options.conplaneTlsCert === undefined ? pinText(authority) : undefined);
  const target = () =>
    urls.node === undefined ? undefined : { url: urls.node, caPin: caPin(), hub: tunnel.conplane() };
  const nodes = nodeServices({ store, clock, options, dataDir, replicaId, range, tunnel, target }, stack);
  const { keyFiles } = nodes;
  const relayed = () => nodeRelay.relayed();
  const desk = new TunnelDesk({ hub, relayed, store, secrets, keyFiles, range, replicaId, clock });
  return { nodes, tunnel: desk, nodeRelay };
}
