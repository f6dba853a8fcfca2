/** Whom a promotion of the hub's next Rosenpass key would lock out (K8). */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { tunnelStatusSchema } from '@labmesh/wire/node';
import { z } from 'zod';

const reader = system('tunnel-rotation');
const statusField = z.object({ tunnel: tunnelStatusSchema });

/** What a node last said that it takes beside the present key; `sha256:` and 64 hex digits. */
function nextOf(status: string | null): string | undefined {
  const told = statusField.safeParse(parseJson(status ?? 'null')).data?.tunnel.next_rosenpass_sha256;
  return told === undefined ? undefined : `sha256:${told.replace(/^sha256:/, '')}`;
}

/**
 * Names of this hub's nodes that have not said that they take this key. Also those that are away at the moment: they may be
 * back before the 24 h are over. Banned ones come in by the door again anyway.
 */
export async function nodesWithoutKey(store: Store, replicaId: string, sha256: string): Promise<string[]> {
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
  return rows.filter(({ status }) => nextOf(status) !== sha256).map(({ name }) => name);
}
