/** A client of other make as an operator names it (tunnel X7): looked at before anything is written, and then as a row. */
import { checkPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { TunnelKeyError } from '@labmesh/tunnel/keys/tunnel-key-error';
import { parseHostPort } from '@labmesh/tunnel/named-endpoint';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import type { AddTunnelPeer } from '@labmesh/wire/tunnel';
import type { TunnelPeerRow } from '../nodes/node-tunnel.ts';
import type { Secrets } from '../secrets/open-secrets.ts';
import { portMax } from './client-places.ts';
import { sealedAt } from './peer-settings.ts';

type ClientKeys = {
  /** Raw; undefined: a plain WireGuard client. */
  rosenpass: Uint8Array | undefined;
  /** Secret, 32 bytes: whoever seals it zeroes it. */
  presharedKey: Uint8Array | undefined;
};

/** @throws FleetError ROSENPASS_KEY_INVALID; VALIDATION_FAILED, which never shows a key */
export function readClientWish({ rosenpassPublicKey, presharedKey, endpoint }: AddTunnelPeer): ClientKeys {
  checkEndpoint(endpoint, rosenpassPublicKey !== undefined);
  if (rosenpassPublicKey === undefined && presharedKey !== undefined) {
    const message = 'is mixed into Rosenpass exchanges, and this peer has no rosenpassPublicKey';
    throw new FleetError('VALIDATION_FAILED', { field: 'presharedKey', message });
  }
  return {
    rosenpass: rosenpassPublicKey === undefined ? undefined : keyOf(rosenpassPublicKey),
    presharedKey: presharedKey === undefined ? undefined : new Uint8Array(Buffer.from(presharedKey, 'base64')),
  };
}

function checkEndpoint(text: string | undefined, isRosenpass: boolean): void {
  const place = text === undefined ? undefined : parseHostPort(text);
  if (text === undefined || (place !== undefined && !(isRosenpass && place.port === portMax))) return;
  const message =
    place === undefined
      ? 'expected host:port'
      : `expected a port below ${portMax}: it is Rosenpass’s, and WireGuard has the next one`;
  throw new FleetError('VALIDATION_FAILED', { field: 'endpoint', message });
}

function keyOf(text: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  try {
    checkPublicKey(bytes);
  } catch (error) {
    if (!(error instanceof TunnelKeyError)) throw error;
    throw new FleetError('ROSENPASS_KEY_INVALID', { message: error.message, field: 'rosenpassPublicKey' });
  }
  return bytes;
}

type RowPlace = { address: string; replicaId: string; now: number };

/** Its secret sealed for this row alone. `fingerprint` null: no Rosenpass key. */
export function clientRow(
  wish: AddTunnelPeer,
  fingerprint: string | null,
  presharedKey: Uint8Array | undefined,
  { address, replicaId, now }: RowPlace,
  secrets: Pick<Secrets, 'seal'>,
): TunnelPeerRow {
  const id = uuidv7();
  return {
    id,
    created_at: now,
    revision: 1,
    kind: 'foreign',
    node_id: null,
    name: wish.name,
    address,
    wireguard_public_key: wish.wireguardPublicKey,
    next_wireguard_public_key: null,
    rosenpass_sha256: fingerprint,
    rosenpass_version: wish.version ?? null,
    rosenpass_ciphertext: wish.ciphertext ?? null,
    trusted_sha256: null,
    preshared_key_enc: presharedKey === undefined ? null : secrets.seal(...sealedAt(id), presharedKey),
    endpoint: wish.endpoint ?? null,
    // Without a Rosenpass key there is nothing to insist on, and it is said: pq off, no_key.
    require_pq: fingerprint === null ? 0 : 1,
    replica_id: replicaId,
    removed_at: null,
    proxy_port: null,
  };
}
