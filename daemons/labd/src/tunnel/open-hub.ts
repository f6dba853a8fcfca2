/** The hub's end: settings that make sense, keys, and how device and sockets are opened. Loaded only where there is a hub. */
import { join } from 'node:path';
import { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import type { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import type { HubAddress } from '../nodes/node-tunnel.ts';
import { claimHubAddress } from './hub-address.ts';
import { hubReach } from './hub-reach.ts';
import { HubRotation } from './hub-rotation.ts';
import { hasForeignPeers, nodesWithoutKey } from './nodes-without-key.ts';
import { openHubDevice, type OpenHubParts } from './open-hub-device.ts';
import { tellRotation } from './tell-peers.ts';

/** What stays when the device has to be opened again. */
export type HubGround = AsyncDisposable & {
  address: Omit<HubAddress, 'rosenpassSha256' | 'wireguardPublicKey'>;
  /** The pair that the nodes know, and the next one while it is changed. */
  rotation: HubRotation;
  /** The nodes know another hub. */
  hasNewKeys: boolean;
  /** Says that the tunnel address is still ours. @throws Error when another hub has it; what the store says */
  keepAddress: () => Promise<void>;
  /** @throws TunnelError; the bind's error of the two UDP ports */
  open: () => Promise<OpenTunnel>;
};

/** @throws TunnelKeyError */
function openKeys({ options, ground, log }: OpenHubParts): Promise<TunnelKeys> {
  const at = (name: string) => join(ground.dataDir, 'tunnel', name);
  return TunnelKeys.open({
    wireguard: { privateKeyPath: at('wg.key'), publicKeyPath: at('wg.pub') },
    rosenpass: { privateKeyPath: at('pqsk'), publicKeyPath: at('pqpk') },
    keysDir: join(ground.dataDir, 'keys'),
    workers: options.tunnelWorkers,
    cacheBytes: options.tunnelKeyCacheMb * 1024 * 1024,
    log,
  });
}

/** Takes the hub's address and reads or makes the keys; nothing listens yet. @throws OptionsError, TunnelKeyError, FleetError */
export async function layHub(parts: OpenHubParts): Promise<HubGround> {
  const { options, ground } = parts;
  const { listen, endpoint } = hubReach(options);
  const { tunnelListenPort: port, tunnelRosenpassPort: rosenpass } = options;
  const host = endpoint.includes(':') ? `[${endpoint}]` : endpoint;
  const claim = () => claimHubAddress({ ...parts, range: ground.range, replicaId: ground.replicaId });
  const tunnelAddress = await claim();
  const keys = await openKeys(parts);
  const address = {
    tunnelAddress,
    wireguardEndpoint: `${host}:${port}`,
    rosenpassEndpoint: `${host}:${rosenpass}`,
  };
  const { store, clock, log } = parts;
  const rotation = new HubRotation({
    keys,
    path: join(ground.dataDir, 'tunnel', 'rotation.json'),
    nodesWithout: (sha256, wireguard) => nodesWithoutKey(store, ground.replicaId, sha256, wireguard),
    hasForeigners: () => hasForeignPeers(store, ground.replicaId),
    tell: tellRotation(parts),
    clock,
    log,
  });
  return {
    address,
    rotation,
    hasNewKeys: keys.isNew,
    keepAddress: async () => {
      const now = await claim();
      if (now !== tunnelAddress) {
        throw new Error(
          `the hub's address ${tunnelAddress} was given away while it was not heard; restart labd: ${now}`,
        );
      }
    },
    open: () => openHubDevice(parts, keys, rotation, tunnelAddress, listen),
    [Symbol.asyncDispose]: () => keys[Symbol.asyncDispose](),
  };
}
