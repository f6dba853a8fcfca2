/** The hub's end of the tunnel, and the peers of this replica (tunnel 2.5). */
import type { Metrics } from '@labmesh/kit/metrics';
import { addTunnelMetrics } from '@labmesh/tunnel/tunnel-metrics';
import type { Ground } from '../settings/ground.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';
import { type PeerTellerParts, tellDevice } from '../tunnel/tell-peers.ts';
import { TunnelHub } from '../tunnel/tunnel-hub.ts';
import type { Trust } from './compose-trust.ts';

export type TunnelComposeParts = PeerTellerParts &
  Pick<Trust, 'secrets'> &
  World & {
    options: LabdOptions;
    ground: Ground;
    metrics: Metrics;
    /** Told the id of a row whose peer leaves the device. */
    onGone: (peerId: string) => void;
    /** Told the tunnel address of a peer before the device has it. */
    onTaken: (address: string) => void;
  };

/** Undefined: `conplane.tunnel.enabled = false`. @throws OptionsError, TunnelError, TunnelKeyError */
export async function composeTunnel(
  parts: TunnelComposeParts,
  stack: AsyncDisposableStack,
): Promise<TunnelHub | undefined> {
  const { options, ground, store, secrets, clock, log, metrics, onGone, onTaken } = parts;
  if (!options.tunnelEnabled) return undefined;
  // Its cryptography and devices are not loaded where there is no hub.
  const { layHub } = await import('../tunnel/open-hub.ts');
  const laid = stack.use(await layHub(parts));
  const tell = tellDevice(parts);
  const { replicaId } = ground;
  const told = { onDevice: tell, onGone, onTaken };
  const hub = stack.use(new TunnelHub({ store, secrets, ground: laid, replicaId, ...told, clock, log }));
  await hub.start();
  addTunnelMetrics(metrics, () => hub.view());
  const { backend, isolation } = hub.view();
  log.info('the hub of the tunnel is open', { interface: options.tunnelInterfaceName, backend, isolation });
  return hub;
}
