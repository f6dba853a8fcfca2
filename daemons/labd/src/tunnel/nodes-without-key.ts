/** Whom a promotion of the hub's next keys would lock out (K8). */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { tunnelStatusSchema } from '@labmesh/wire/node';
import { z } from 'zod';

const reader = system('tunnel-rotation');
const statusField = z.object({ tunnel: tunnelStatusSchema });

/** Whether a node last said that it takes these beside the present keys. */
function takes(status: string | null, sha256: string, wireguard: string | undefined): boolean {
  const told = statusField.safeParse(parseJson(status ?? 'null')).data?.tunnel;
  const next = told?.next_rosenpass_sha256?.replace(/^sha256:/, '');
  return `sha256:${next}` === sha256 && (wireguard === undefined || told?.next_wireguard_public_key === wireguard);
}

/**
 * Whether this hub has peers that nobody can tell of another WireGuard key: clients of other make, and nodes without a
 * Rosenpass key, which have nothing to believe it by.
 */
export async function hasForeignPeers(store: Store, replicaId: string): Promise<boolean> {
  const found = await store.read(reader, (db) =>
    db
      .selectFrom('tunnel_peers')
      .select('id')
      .where('replica_id', '=', replicaId)
      .where((on) => on.or([on('kind', '=', 'foreign'), on('rosenpass_sha256', 'is', null)]))
      .where('removed_at', 'is', null)
      .executeTakeFirst(),
  );
  return found !== undefined;
}

/**
 * Names of this hub's nodes that have not said that they take this key, and wait for this one of WireGuard, if any. Also those that are away at the moment: they may be
 * back before the 24 h are over. Banned ones come in by the door again anyway.
 */
export async function nodesWithoutKey(
  store: Store,
  replicaId: string,
  sha256: string,
  wireguard?: string,
): Promise<string[]> {
  const rows = await store.read(reader, (db) =>
    db
      .selectFrom('nodes')
      .innerJoin('tunnel_peers', 'tunnel_peers.node_id', 'nodes.id')
      .select(['nodes.name', 'nodes.status'])
      .where('tunnel_peers.replica_id', '=', replicaId)
      .where('tunnel_peers.removed_at', 'is', null)
      .where('tunnel_peers.rosenpass_sha256', 'is not', null)
      .where('nodes.state', '=', 'active')
      .orderBy('nodes.name')
      .execute(),
  );
  return rows.filter(({ status }) => !takes(status, sha256, wireguard)).map(({ name }) => name);
}
