/** What the other side of a peer needs for its own programs (X9): settings without a secret. The hub's key has a route. */
import { keyText } from '@labmesh/rosenpass/formats/key-text';
import { rosenpassToml } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { wgConf } from '@labmesh/rosenpass/formats/wg-conf';
import { parseWireguardKey } from '@labmesh/tunnel/keys/wireguard-keys';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { HubAddress, TunnelPeerRow } from '../nodes/node-tunnel.ts';

export type ExportFormat = 'toml' | 'rp' | 'wg-conf';
export type ExportedPeer = { format: ExportFormat; files: Record<string, string> };

const keepaliveS = 25;

function rosenpassFile(row: TunnelPeerRow, hub: HubAddress): string {
  return rosenpassToml({
    keyPair: { publicKey: 'pqpk', secretKey: 'pqsk' },
    listen: [],
    verbosity: 'Quiet',
    peers: [
      {
        publicKey: 'hub.pqpk',
        endpoint: hub.rosenpassEndpoint,
        // The client has it, we give none out: only that there must be one.
        ...(row.preshared_key_enc !== null && { presharedKey: 'psk' }),
        wireguard: { device: 'rosenpass0', peer: hub.wireguardPublicKey, extraParams: [] },
        protocolVersion: row.rosenpass_version ?? 'V03',
      },
    ],
  });
}

function wireguardFile(row: TunnelPeerRow, hub: HubAddress): string {
  const { wireguardPublicKey: publicKey, wireguardEndpoint: endpoint, tunnelAddress } = hub;
  return wgConf({
    address: `${row.address}/32`,
    peers: [{ publicKey, endpoint, allowedIps: [`${tunnelAddress}/32`], persistentKeepalive: keepaliveS }],
  });
}

/** The public directory of `rp`, less its `pqpk`. @throws FleetError CONFLICT when its ports are not rp's */
function rpFile(hub: HubAddress): Record<string, string> {
  const portOf = (endpoint: string) => Number(endpoint.slice(endpoint.lastIndexOf(':') + 1));
  if (portOf(hub.wireguardEndpoint) !== portOf(hub.rosenpassEndpoint) + 1) {
    throw new FleetError('CONFLICT', {
      message: 'rp wants WireGuard on the port after Rosenpass’s, and this hub has others',
      hint: 'export --format toml, or set conplane.tunnel.listen_port to rosenpass_port + 1',
    });
  }
  const key = parseWireguardKey(hub.wireguardPublicKey);
  return key === undefined ? {} : { wgpk: keyText(key) };
}

/** @throws FleetError CONFLICT */
export function exportPeer(row: TunnelPeerRow, hub: HubAddress, format: ExportFormat): ExportedPeer {
  if (format === 'wg-conf') return { format, files: { 'rosenpass0.conf': wireguardFile(row, hub) } };
  if (format === 'rp') return { format, files: rpFile(hub) };
  return { format, files: { 'rosenpass.toml': rosenpassFile(row, hub), 'rosenpass0.conf': wireguardFile(row, hub) } };
}
