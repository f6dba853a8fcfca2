/** The hub's device and the sockets of its exchange, and who hears of what happens there. */
import { join } from 'node:path';
import { chooseDevice } from '@labmesh/tunnel/choose-device';
import type { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import type { TunnelEvent } from '@labmesh/tunnel/tunnel-parts';
import type { Ground } from '../settings/ground.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';
import type { HubRotation } from './hub-rotation.ts';
import { noteKey, type PeerTellerParts, tellPeers } from './tell-peers.ts';

export type OpenHubParts = PeerTellerParts & World & { options: LabdOptions; ground: Ground };

const deviceAlias = 'labmesh:labd';

/** @throws TunnelError; the bind's error of the two UDP ports */
export async function openHubDevice(
  parts: OpenHubParts,
  keys: TunnelKeys,
  rotation: HubRotation,
  address: string,
  listen: readonly string[],
): Promise<OpenTunnel> {
  const { options, ground, clock, log } = parts;
  const chosen = await chooseDevice({
    name: options.tunnelInterfaceName,
    alias: deviceAlias,
    role: { kind: 'hub' },
    address,
    range: options.conplaneRange,
    mtu: options.tunnelMtu,
    // The device may zero its own.
    privateKey: keys.wireguard.privateKey.slice(),
    listen: { addresses: listen, port: options.tunnelListenPort },
    isolation: options.tunnelIsolation,
    backend: options.tunnelBackend,
    aead: options.tunnelAead,
    timestampPath: join(ground.dataDir, 'tunnel', 'tai64n'),
    log,
  });
  const { backend } = chosen.device;
  const isNarrow = !listen.some((address) => address === '0.0.0.0' || address === '::');
  if (backend !== 'native' && isNarrow) {
    const port = options.tunnelListenPort;
    log.warn(`conplane.tunnel.listen holds for Rosenpass alone: ${backend} opens its port on every address`, { port });
  }
  const sockets = { addresses: listen, port: options.tunnelRosenpassPort };
  const { tunnelCookie: cookie } = options;
  const tell = tellPeers(parts);
  const onEvent = (event: TunnelEvent) => {
    if (event.event === 'exchanged') rotation.exchanged(event.peer, event.ownKey);
    if (event.event === 'wireguard_key') void noteKey(parts, event);
    tell(event);
  };
  return OpenTunnel.open({ keys, chosen, listen: sockets, cookie, clock, log, onEvent });
}
