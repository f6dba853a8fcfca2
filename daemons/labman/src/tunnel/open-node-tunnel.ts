/** Opens the node's end where it was told to be: device, exchange, and what is heard of both. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { chooseDevice, type DeviceWish } from '@labmesh/tunnel/choose-device';
import type { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import type { TunnelEvent } from '@labmesh/tunnel/tunnel-parts';
import type { DeviceEvent } from '@labmesh/wireguard/tunnel-device';
import type { TunnelConfig } from '../config/read-tunnel.ts';
import type { HubPlace } from './hub-peer.ts';

export type NodeTunnelSettings = {
  config: TunnelConfig;
  /** Of the proxy, inside. */
  proxyPort: number;
  /** Of the native backend (N7). */
  timestampPath: string;
  log: Logger;
};

export type NodeTunnelOpening = NodeTunnelSettings & {
  keys: TunnelKeys;
  place: HubPlace;
  /** In place of the setting's. */
  backend?: TunnelConfig['backend'] | undefined;
  clock: Clock;
  onEvent: (event: TunnelEvent) => void;
  onDeviceEvent: (event: DeviceEvent) => void;
  /** No events of the device after it. */
  signal: AbortSignal;
};

export const deviceAlias = 'labmesh:labman';

/** The node's device as the settings and the hub want it; its key is the caller's to add. */
export function nodeDeviceWish(settings: NodeTunnelSettings, place: HubPlace): Omit<DeviceWish, 'privateKey'> {
  const { config, proxyPort, timestampPath, log } = settings;
  return {
    name: config.interfaceName,
    alias: deviceAlias,
    role: { kind: 'node', hubAddress: place.hubAddress, proxyPort },
    address: place.address,
    range: config.range,
    mtu: config.mtu,
    isolation: config.isolation,
    backend: config.backend,
    aead: config.aead,
    timestampPath,
    log,
  };
}

/** @throws TunnelError: no backend, no isolation, the name taken, an address refused. Nothing stays then. */
export async function openNodeTunnel(opening: NodeTunnelOpening): Promise<OpenTunnel> {
  const { keys, place, backend, clock, log, onEvent, onDeviceEvent, signal } = opening;
  const wish = nodeDeviceWish(opening, place);
  const { privateKey } = keys.wireguard;
  const chosen = await chooseDevice({ ...wish, privateKey, ...(backend !== undefined && { backend }) });
  for (const { backend: other, reason } of chosen.rejected) {
    log.debug('a tunnel backend is not there', { backend: other, reason });
  }
  // Before it opens: it may be taken away while it does.
  chosen.device.watch(onDeviceEvent, signal);
  return OpenTunnel.open({ keys, chosen, cookie: 'auto', clock, log, onEvent });
}
