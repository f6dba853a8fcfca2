/** The WireGuard key that a node is about to use (tunnel K8): taken beside its present one, on the word of its exchange alone. */
import type { Reader } from '@labmesh/store/store';
import type { NodeRegisterRequest } from '@labmesh/wire/node';
import { wireguardKeyField } from '@labmesh/wire/tunnel';
import type { NodeKeys } from './node-keys.ts';
import type { NodeTunnel, TunnelPeerRow } from './node-tunnel.ts';

export type NextKeyFields = Pick<NodeRegisterRequest, 'next_wireguard_public_key' | 'next_wireguard_proof'>;

/** A key of nobody, or of somebody else, would make another's peer unreachable. */
async function isFree(db: Reader, peerId: string, key: string): Promise<boolean> {
  const holder = await db
    .selectFrom('tunnel_peers')
    .select('id')
    .where('id', '!=', peerId)
    .where((on) => on.or([on('wireguard_public_key', '=', key), on('next_wireguard_public_key', '=', key)]))
    .executeTakeFirst();
  if (holder !== undefined) return false;
  const node = await db.selectFrom('nodes').select('id').where('wireguard_public_key', '=', key).executeTakeFirst();
  return node === undefined;
}

/**
 * The next key that stands after this registration; null: none. A token alone brings no key: it takes what the last
 * exchange, made with the Rosenpass key that this node is known by, gave both ends. One that was taken stays beside the same
 * present key until another proven one takes its place: its node may be about to use it, or have deleted the one before.
 * `peer`: as it was before.
 */
export async function nextNodeKey(
  db: Reader,
  request: NextKeyFields,
  keys: NodeKeys,
  peer: TunnelPeerRow | undefined,
  tunnel: Pick<NodeTunnel, 'isNextKeyProven'>,
): Promise<string | null> {
  const next = wireguardKeyField.safeParse(request.next_wireguard_public_key).data;
  // Another present key than the one that the proof is of: that is K6's to settle.
  if (peer === undefined || peer.removed_at !== null || peer.wireguard_public_key !== keys.wireguard) return null;
  const taken = peer.next_wireguard_public_key;
  const isPlain = next === undefined || next === keys.wireguard || next === taken;
  if (isPlain || keys.rosenpass === null || peer.rosenpass_sha256 !== keys.rosenpass) return taken;
  const claim = { rosenpass: keys.rosenpass, current: keys.wireguard, next };
  if (!tunnel.isNextKeyProven(peer.id, claim, request.next_wireguard_proof ?? '')) return taken;
  return (await isFree(db, peer.id, next)) ? next : taken;
}
