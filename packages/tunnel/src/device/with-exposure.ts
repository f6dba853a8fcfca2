import type { TunnelView } from '@labmesh/wire/tunnel';
import { exposedSockets } from '@labmesh/wireguard/isolation/exposed-sockets';

/**
 * The view as an operator gets it: without isolation with the sockets of this machine that peers reach (I5). Not for every
 * look: the kernel lists all connections for it.
 */
export const withExposure = (view: TunnelView): TunnelView =>
  view.isolation === 'none' ? { ...view, exposed: exposedSockets() } : view;
