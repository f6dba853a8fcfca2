import type { TunnelPeerSettings } from '@labmesh/tunnel/tunnel-peer';
import type { TunnelPeerRow } from '../nodes/node-tunnel.ts';
import type { Secrets } from '../secrets/open-secrets.ts';
import type { ClientPlace } from './client-places.ts';

/** A node sends these itself (N4); only a dialled peer is sent any. */
const keepaliveS = 25;
const fallbackAfterMs = 60_000;

/** The place of the Rosenpass preshared key (sealed-fields.ts). */
export const sealedAt = (peerId: string) => ['tunnel_peers', peerId, 'preshared_key'] as const;

/** A row as the tunnel wants it. `at`: where a client of other make is dialled. */
export function peerSettings(row: TunnelPeerRow, secrets: Pick<Secrets, 'open'>, at: ClientPlace): TunnelPeerSettings {
  const { preshared_key_enc: sealed, next_wireguard_public_key: next } = row;
  return {
    id: row.id,
    name: row.name,
    wireguardPublicKey: new Uint8Array(Buffer.from(row.wireguard_public_key, 'base64')),
    ...(next !== null && { nextWireguardKey: new Uint8Array(Buffer.from(next, 'base64')) }),
    address: row.address,
    endpoint: at.wireguard,
    keepaliveS,
    mode: row.require_pq === 1 ? 'strict' : 'permissive',
    fallbackAfterMs,
    ...(row.rosenpass_sha256 !== null && {
      rosenpass: {
        fingerprint: row.rosenpass_sha256,
        schedule: row.kind === 'node' ? ('hub' as const) : ('foreign' as const),
        endpoint: at.rosenpass,
        // A hub answers in the dialect in which it was asked; only a client that it dials itself may need to be told.
        version: row.kind === 'foreign' ? (row.rosenpass_version ?? 'auto') : 'auto',
        ciphertext: row.kind === 'foreign' ? (row.rosenpass_ciphertext ?? 'auto') : 'auto',
        ...(sealed !== null && { presharedKey: secrets.open(...sealedAt(row.id), sealed) }),
      },
    }),
  };
}
