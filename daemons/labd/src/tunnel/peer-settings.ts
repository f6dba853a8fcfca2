import { isIP } from 'node:net';
import { parseHostPort } from '@labmesh/tunnel/named-endpoint';
import type { TunnelPeerSettings } from '@labmesh/tunnel/tunnel-peer';
import type { Endpoint } from '@labmesh/wireguard/tunnel-device';
import type { TunnelPeerRow } from '../nodes/node-tunnel.ts';
import type { Secrets } from '../secrets/open-secrets.ts';

/** A node sends these itself (N4); only a dialled peer is sent any. */
const keepaliveS = 25;
const fallbackAfterMs = 60_000;

/** The place of the Rosenpass preshared key (sealed-fields.ts). */
export const sealedAt = (peerId: string) => ['tunnel_peers', peerId, 'preshared_key'] as const;

/** An address of a foreign client; names are not looked up: the hub dials nobody by itself. */
function endpointOf(text: string | null): Endpoint | undefined {
  const parsed = text === null ? undefined : parseHostPort(text);
  return parsed === undefined || isIP(parsed.host) === 0 ? undefined : { address: parsed.host, port: parsed.port };
}

/** A row as the tunnel wants it. */
export function peerSettings(row: TunnelPeerRow, secrets: Pick<Secrets, 'open'>): TunnelPeerSettings {
  const { preshared_key_enc: sealed, next_wireguard_public_key: next } = row;
  const endpoint = endpointOf(row.endpoint);
  return {
    id: row.id,
    name: row.name,
    wireguardPublicKey: new Uint8Array(Buffer.from(row.wireguard_public_key, 'base64')),
    ...(next !== null && { nextWireguardKey: new Uint8Array(Buffer.from(next, 'base64')) }),
    address: row.address,
    keepaliveS,
    mode: row.require_pq === 1 ? 'strict' : 'permissive',
    fallbackAfterMs,
    ...(row.rosenpass_sha256 !== null && {
      rosenpass: {
        fingerprint: row.rosenpass_sha256,
        schedule: row.kind === 'node' ? ('hub' as const) : ('foreign' as const),
        endpoint,
        // A hub answers in the dialect in which it was asked; only a client that it dials itself may need to be told.
        version: row.kind === 'foreign' ? (row.rosenpass_version ?? 'auto') : 'auto',
        ciphertext: row.kind === 'foreign' ? (row.rosenpass_ciphertext ?? 'auto') : 'auto',
        ...(sealed !== null && { presharedKey: secrets.open(...sealedAt(row.id), sealed) }),
      },
    }),
  };
}
