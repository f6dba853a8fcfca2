/**
 * Peers of the tunnel as rows: one a node, with the lowest free address (H5). A removed one stays as a tombstone that
 * holds nothing but its address, so that nobody else speaks from it within 24 h.
 */
import type { Reader, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import type { NodeRegisterRequest } from '@labmesh/wire/node';
import { type AddressRange, contains, lowestFree } from '../settings/address-range.ts';
import type { NodeKeys } from './node-keys.ts';
import { type NextKeyFields, nextNodeKey } from './next-node-key.ts';
import type { NodeTunnel, TunnelPeerRow } from './node-tunnel.ts';

const restMs = 86_400_000;
/** RP_PEERS (tunnel D7). */
const peersMax = 20_000;

/** An address for a new peer. @throws FleetError CONFLICT when the range or the hub is full. */
export async function freeAddress(tx: Writer, range: AddressRange, now: number): Promise<string> {
  await tx
    .deleteFrom('tunnel_peers')
    .where('removed_at', '<', now - restMs)
    .execute();
  const rows = await tx.selectFrom('tunnel_peers').select('address').execute();
  const address = rows.length < peersMax ? lowestFree(range, new Set(rows.map((row) => row.address))) : undefined;
  if (address !== undefined) return address;
  throw new FleetError('CONFLICT', {
    message: rows.length < peersMax ? 'conplane.range has no free address' : `a hub has at most ${peersMax} peers`,
  });
}

/** The live peer of a node. */
export const peerOfNode = (db: Reader, nodeId: string): Promise<TunnelPeerRow | undefined> =>
  db
    .selectFrom('tunnel_peers')
    .selectAll()
    .where('node_id', '=', nodeId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();

/** Where peers are made. */
export type PeerPlace = {
  range: AddressRange;
  replicaId: string;
  /** For new ones; what an operator said of an old one stays. */
  requirePq: boolean;
};

export type PeerWish = {
  nodeId: string;
  name: string;
  keys: NodeKeys;
  request: Pick<NodeRegisterRequest, 'tunnel_caps' | 'proxy_port'> & NextKeyFields;
};

/** The best that both sides speak (tunnel K4); who tells nothing speaks what Rosenpass 0.1 did. */
function dialect(
  caps: NodeRegisterRequest['tunnel_caps'],
): Pick<TunnelPeerRow, 'rosenpass_version' | 'rosenpass_ciphertext'> {
  const onlyNew = caps?.ciphertexts.includes('r4-156') === true && !caps.ciphertexts.includes('pc188');
  return {
    rosenpass_version: caps?.versions.includes('V03') === true ? 'V03' : 'V02',
    rosenpass_ciphertext: onlyNew ? 'r4-156' : 'pc188',
  };
}

/** Makes a node's peer, or brings it up to date. @throws FleetError CONFLICT. */
export async function savePeer(
  tx: Writer,
  wish: PeerWish,
  place: PeerPlace & { tunnel: Pick<NodeTunnel, 'isNextKeyProven'> },
  now: number,
): Promise<TunnelPeerRow> {
  const { nodeId, name, keys, request } = wish;
  const { range, replicaId, requirePq, tunnel } = place;
  const old = await tx.selectFrom('tunnel_peers').selectAll().where('node_id', '=', nodeId).executeTakeFirst();
  const address = old !== undefined && contains(range, old.address) ? old.address : await freeAddress(tx, range, now);
  const told = {
    name,
    address,
    wireguard_public_key: keys.wireguard,
    next_wireguard_public_key: await nextNodeKey(tx, request, keys, old, tunnel),
    rosenpass_sha256: keys.rosenpass,
    ...(keys.rosenpass === null
      ? { rosenpass_version: null, rosenpass_ciphertext: null }
      : dialect(request.tunnel_caps)),
    // What was let in has come in; another change needs another word.
    trusted_sha256: old?.trusted_sha256 === keys.rosenpass ? null : (old?.trusted_sha256 ?? null),
    replica_id: replicaId,
    removed_at: null,
    proxy_port: request.proxy_port ?? null,
  };
  if (old !== undefined) {
    const row = { ...old, ...told, revision: old.revision + 1 };
    await tx.updateTable('tunnel_peers').set(row).where('id', '=', old.id).execute();
    return row;
  }
  const row: TunnelPeerRow = {
    id: uuidv7(),
    created_at: now,
    revision: 1,
    kind: 'node',
    node_id: nodeId,
    preshared_key_enc: null,
    endpoint: null,
    require_pq: requirePq ? 1 : 0,
    ...told,
  };
  await tx.insertInto('tunnel_peers').values(row).execute();
  return row;
}

/** A peer uses the next WireGuard key that its row names (K8): it is the present one there, and its node's. */
export async function noteTakenKey(tx: Writer, id: string, key: string): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('tunnel_peers')
    .set((row) => ({ wireguard_public_key: key, next_wireguard_public_key: null, revision: row('revision', '+', 1) }))
    .where('id', '=', id)
    .where('next_wireguard_public_key', '=', key)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return;
  const ofPeer = tx.selectFrom('tunnel_peers').select((peer) => peer.ref('node_id').$notNull().as('id'));
  await tx
    .updateTable('nodes')
    .set((row) => ({ wireguard_public_key: key, revision: row('revision', '+', 1) }))
    .where('id', 'in', ofPeer.where('id', '=', id))
    .execute();
}

/** Makes a tombstone of a peer. */
export async function retirePeer(tx: Writer, id: string, now: number): Promise<void> {
  await tx
    .updateTable('tunnel_peers')
    .set((row) => ({
      removed_at: now,
      // Its keys are free at once: the same machine may come back under another token.
      wireguard_public_key: `removed:${id}`,
      next_wireguard_public_key: null,
      rosenpass_sha256: null,
      trusted_sha256: null,
      preshared_key_enc: null,
      revision: row('revision', '+', 1),
    }))
    .where('id', '=', id)
    .where('removed_at', 'is', null)
    .execute();
}
