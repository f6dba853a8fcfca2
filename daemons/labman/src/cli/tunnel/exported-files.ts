/** This node's end as other programs' files (tunnel X1–X4, X9), by name. */
import { keyText } from '@labmesh/rosenpass/formats/key-text';
import { rosenpassToml } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { rpPrivateDirectory } from '@labmesh/rosenpass/formats/rp-directory';
import { wgConf } from '@labmesh/rosenpass/formats/wg-conf';
import { readPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { parseHostPort } from '@labmesh/tunnel/named-endpoint';
import type { NodeState } from '../../conplane/node-file.ts';
import { rosenpassPort } from '../../tunnel/hub-peer.ts';
import { LabmandError } from '../ask-labmand.ts';

type Files = ReadonlyMap<string, string | Uint8Array>;
/** Secret ones; raw. */
export type ExportedKeys = {
  wireguardPrivateKey: Uint8Array;
  rosenpassSecretKey: Uint8Array;
  rosenpassPublicKey: Uint8Array;
};
type Hub = NonNullable<NodeState['hub']>;

/** As the exported files call it; rp's own name. */
const device = 'rosenpass0';
const keepaliveS = 25;

const rosenpassEndpointOf = ({ rosenpassEndpoint, wireguardEndpoint }: Hub): string | undefined => {
  const host = parseHostPort(wireguardEndpoint)?.host;
  const usual = host?.includes(':') === true ? `[${host}]:${rosenpassPort}` : `${host}:${rosenpassPort}`;
  return rosenpassEndpoint ?? (host === undefined ? undefined : usual);
};

/** Keys beside it are named relative to the file. */
function rosenpassFiles(keys: ExportedKeys, hub: Hub | undefined, hubKey: Uint8Array | undefined): Files {
  const peers =
    hub === undefined || hubKey === undefined
      ? []
      : [
          {
            publicKey: 'hub.pqpk',
            endpoint: rosenpassEndpointOf(hub),
            wireguard: { device, peer: hub.wireguardPublicKey, extraParams: [] },
            protocolVersion: hub.rosenpassVersion ?? ('V02' as const),
          },
        ];
  const keyPair = { publicKey: 'pqpk', secretKey: 'pqsk' };
  return new Map<string, string | Uint8Array>([
    ['pqsk', keys.rosenpassSecretKey],
    ['pqpk', keys.rosenpassPublicKey],
    ...(hubKey === undefined ? [] : [['hub.pqpk', hubKey] as const]),
    ['rosenpass.toml', rosenpassToml({ keyPair, listen: [], verbosity: 'Quiet', peers })],
  ]);
}

function wireguardFiles(keys: ExportedKeys, address: string, hub: Hub): Files {
  const prefix = (one: string) => `${one}/${one.includes(':') ? 128 : 32}`;
  const { wireguardPublicKey: publicKey, wireguardEndpoint: endpoint } = hub;
  const allowedIps = [prefix(hub.address)];
  const peers = [{ publicKey, endpoint, allowedIps, persistentKeepalive: keepaliveS }];
  return new Map([
    [`${device}.conf`, wgConf({ privateKey: keyText(keys.wireguardPrivateKey), address: prefix(address), peers })],
  ]);
}

/**
 * @param state what registration settled. @param keysDir public keys of others.
 * @throws LabmandError when the format needs a hub, and none is known
 */
export function exportedFiles(
  format: 'toml' | 'rp' | 'wg-conf',
  keys: ExportedKeys,
  state: NodeState | undefined,
  keysDir: string,
): Files {
  if (format === 'rp') return rpPrivateDirectory(keys);
  const hub = state?.hub ?? undefined;
  if (format === 'toml') {
    const sha256 = hub?.rosenpassSha256 ?? undefined;
    return rosenpassFiles(keys, hub, sha256 === undefined ? undefined : readPublicKey(keysDir, sha256));
  }
  const address = state?.address ?? undefined;
  if (hub !== undefined && address !== undefined) return wireguardFiles(keys, address, hub);
  throw new LabmandError('no tunnel address is known yet: it comes with the first registration', 1);
}
