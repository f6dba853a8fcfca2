import type { TunnelView } from '@labmesh/wire/tunnel';
import { exposedSockets } from '@labmesh/wireguard/isolation/exposed-sockets';

/**
 * The view as an operator gets it: without isolation with the sockets of this machine that peers reach (I5). Not for every
 * look: the kernel lists all connections for it. Where we answer for nodes of other hubs a peer reaches nothing (H6), and there
 * may be thousands.
 */
export function withExposure(view: TunnelView): TunnelView {
  if (view.isolation !== 'none') return view;
  const relayed = new Set(view.relayed?.map(({ address, port }) => `${address} ${port}`));
  const isRelayed = ({ protocol, address, port }: { protocol: string; address: string; port: number }) =>
    protocol === 'tcp' && relayed.has(`${address} ${port}`);
  return { ...view, exposed: exposedSockets(isRelayed) };
}
