/** Opens the hub's end: settings that make sense, keys, device, sockets. Loaded only where there is a hub. */
import { join } from 'node:path';
import { OptionsError } from '@labmesh/kit/options';
import { chooseDevice } from '@labmesh/tunnel/choose-device';
import { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import type { HubAddress } from '../nodes/node-tunnel.ts';
import type { Ground } from '../settings/ground.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';
import { type PeerTellerParts, tellPeers } from './tell-peers.ts';

export type OpenHubParts = PeerTellerParts & Pick<World, 'clock'> & { options: LabdOptions; ground: Ground };

export type OpenHub = { open: OpenTunnel; address: Omit<HubAddress, 'wireguardPublicKey' | 'rosenpassSha256'> };

const deviceAlias = 'labmesh:labd';

/** @throws OptionsError (exit 3) when the hub cannot be reached as it is set up */
function reach(options: LabdOptions): { listen: readonly string[]; endpoint: string } {
  const fault = (key: string, what: string) =>
    new OptionsError({ source: key, key, exitCode: 3 }, `${what}, since conplane.tunnel.enabled opens UDP ports`);
  const { tunnelListen: listen, tunnelEndpoint: endpoint, tunnelListenPort, tunnelRosenpassPort } = options;
  if (listen.length === 0) throw fault('conplane.tunnel.listen', 'is needed: the addresses to listen on');
  if (endpoint === undefined) throw fault('conplane.tunnel.endpoint', 'is needed: the host that nodes dial');
  if (tunnelListenPort === tunnelRosenpassPort) {
    throw fault('conplane.tunnel.rosenpass_port', 'must differ from listen_port');
  }
  return { listen, endpoint };
}

async function openTunnel(parts: OpenHubParts): Promise<OpenTunnel> {
  const { options, ground, clock, log } = parts;
  const { listen } = reach(options);
  const { dataDir, range } = ground;
  const at = (name: string) => join(dataDir, 'tunnel', name);
  await using opening = new AsyncDisposableStack();
  const keys = opening.use(
    await TunnelKeys.open({
      wireguard: { privateKeyPath: at('wg.key'), publicKeyPath: at('wg.pub') },
      rosenpass: { privateKeyPath: at('pqsk'), publicKeyPath: at('pqpk') },
      keysDir: join(dataDir, 'keys'),
      workers: options.tunnelWorkers,
      cacheBytes: options.tunnelKeyCacheMb * 1024 * 1024,
      log,
    }),
  );
  const chosen = await chooseDevice({
    name: options.tunnelInterfaceName,
    alias: deviceAlias,
    role: { kind: 'hub' },
    address: range.hub,
    range: options.conplaneRange,
    mtu: options.tunnelMtu,
    privateKey: keys.wireguard.privateKey,
    listen: { addresses: listen, port: options.tunnelListenPort },
    isolation: options.tunnelIsolation,
    backend: options.tunnelBackend,
    aead: options.tunnelAead,
    timestampPath: at('tai64n'),
    log,
  });
  const sockets = { addresses: listen, port: options.tunnelRosenpassPort };
  const cookie = options.tunnelCookie;
  const open = await OpenTunnel.open({ keys, chosen, listen: sockets, cookie, clock, log, onEvent: tellPeers(parts) });
  // The keys' threads go with the tunnel.
  open.alsoDispose(opening.move());
  return open;
}

/** @throws OptionsError, TunnelError, TunnelKeyError */
export async function openHub(parts: OpenHubParts): Promise<OpenHub> {
  const { options, ground } = parts;
  const { endpoint } = reach(options);
  const { tunnelListenPort: port, tunnelRosenpassPort: rosenpass } = options;
  const host = endpoint.includes(':') ? `[${endpoint}]` : endpoint;
  const address = {
    tunnelAddress: ground.range.hub,
    wireguardEndpoint: `${host}:${port}`,
    rosenpassEndpoint: `${host}:${rosenpass}`,
  };
  return { open: await openTunnel(parts), address };
}
