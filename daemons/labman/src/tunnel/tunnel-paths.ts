/** Where a node keeps its keys (tunnel 2.2): named in the settings, else in the state folder. */
import { join } from 'node:path';
import type { RosenpassKeyPaths } from '@labmesh/tunnel/keys/rosenpass-keys';
import type { WireguardKeyPaths } from '@labmesh/tunnel/keys/wireguard-keys';

type Named = { privateKeyPath: string | undefined; publicKeyPath: string | undefined };
export type TunnelPaths = { wireguard: WireguardKeyPaths; rosenpass: RosenpassKeyPaths; keysDir: string };

export function tunnelPaths({ keys, rosenpass }: { keys: Named; rosenpass: Named }, stateDir: string): TunnelPaths {
  return {
    wireguard: {
      privateKeyPath: keys.privateKeyPath ?? join(stateDir, 'wg.key'),
      publicKeyPath: keys.publicKeyPath ?? join(stateDir, 'wg.pub'),
    },
    rosenpass: {
      privateKeyPath: rosenpass.privateKeyPath ?? join(stateDir, 'pqsk'),
      publicKeyPath: rosenpass.publicKeyPath ?? join(stateDir, 'pqpk'),
    },
    keysDir: join(stateDir, 'keys'),
  };
}
