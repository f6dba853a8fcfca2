/** Whose keys may come in (tunnel K6): a key belongs to one node, and a node keeps its keys until somebody says otherwise. */
import type { Reader } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { NodeKeys } from './node-keys.ts';
import type { NodeTunnel, TunnelPeerRow } from './node-tunnel.ts';
import { banned, type NodeRow } from './node-rows.ts';
import type { NodeTokenRow } from './tokens/node-token-rows.ts';
import { peerOfNode } from './peer-rows.ts';

/** Keys that a refused registration showed, for its audit row (V9: key_refused). */
export type KeyRefused = (node: { id: string; name: string }, was: NodeKeys, found: NodeKeys) => void;

/** @throws FleetError BANNED: the node itself, or whose keys these are; CONFLICT: a key belongs to one node. */
export async function assertKeysFree(db: Reader, nodeId: string, { wireguard, rosenpass }: NodeKeys): Promise<void> {
  const holders = await db
    .selectFrom('nodes')
    .select(['id', 'state'])
    .where((on) =>
      on.or([
        on('id', '=', nodeId),
        on('wireguard_public_key', '=', wireguard),
        on('rosenpass_sha256', '=', rosenpass),
      ]),
    )
    .execute();
  if (holders.some(({ state }) => state === 'banned')) throw banned();
  const foreign = await db
    .selectFrom('tunnel_peers')
    .select('id')
    .where((on) => on.or([on('node_id', 'is', null), on('node_id', '!=', nodeId)]))
    .where('removed_at', 'is', null)
    .where((on) =>
      on.or([
        on('wireguard_public_key', '=', wireguard),
        on('next_wireguard_public_key', '=', wireguard),
        on('rosenpass_sha256', '=', rosenpass),
      ]),
    )
    .executeTakeFirst();
  if (foreign === undefined && holders.every(({ id }) => id === nodeId)) return;
  throw new FleetError('CONFLICT', {
    message: 'these keys are another node’s',
    hint: 'a copied machine makes keys of its own: remove wg.key, wg.pub, pqsk and pqpk there, then join again',
  });
}

/**
 * Keys that the node had, when these are others; undefined when nothing changed. `next`: the WireGuard key that it has proven
 * to be its next (K8).
 */
export function keysBefore(node: NodeRow | undefined, keys: NodeKeys, next?: string | null): NodeKeys | undefined {
  if (node === undefined || node.wireguard_public_key === null) return undefined;
  const was = { wireguard: node.wireguard_public_key, rosenpass: node.rosenpass_sha256 };
  const isKnown = was.wireguard === keys.wireguard || next === keys.wireguard;
  return isKnown && was.rosenpass === keys.rosenpass ? undefined : was;
}

/**
 * The keys that stand after this registration. Who shows the next key as its present one may not use it yet, whatever the
 * token says: both go on answering until that key's first handshake, since handing over before it would cut the node off.
 * `peer`: as it was before.
 */
export function keysInUse(
  keys: NodeKeys,
  peer: TunnelPeerRow | undefined,
  tunnel: Pick<NodeTunnel, 'isKeyUsed'>,
): NodeKeys {
  const isNext = peer !== undefined && keys.wireguard === peer.next_wireguard_public_key;
  // Another Rosenpass key is in by somebody's word (K6), and a classical node waits beside nothing.
  if (!isNext || keys.rosenpass === null || keys.rosenpass !== peer.rosenpass_sha256) return keys;
  return tunnel.isKeyUsed(peer.id, keys.wireguard) ? keys : { ...keys, wireguard: peer.wireguard_public_key };
}

/** K6. @throws FleetError PIN_MISMATCH. */
export async function assertMayChange(
  db: Reader,
  node: NodeRow,
  token: NodeTokenRow,
  was: NodeKeys,
  keys: NodeKeys,
  onRefused: KeyRefused,
): Promise<void> {
  if (token.allow_rekey === 1) return;
  const trusted = (await peerOfNode(db, node.id))?.trusted_sha256 ?? null;
  if (trusted !== null && trusted === keys.rosenpass) return;
  onRefused(node, was, keys);
  throw new FleetError('PIN_MISMATCH', {
    message: `the keys of this node changed: known are ${keysText(was)}, found ${keysText(keys)}`,
    hint: `labctl tunnel trust ${node.name} ${keys.rosenpass ?? 'sha256:…'}, or a token made with --allow-rekey`,
  });
}

const keysText = ({ wireguard, rosenpass }: NodeKeys): string => `${wireguard} and ${rosenpass ?? 'no Rosenpass key'}`;
