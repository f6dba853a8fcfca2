import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { answeredMax } from '@labmesh/wireguard/devices/answered-addresses';
import type { NodePlace } from './relayed-node.ts';
import { relayedPort, relayedPortMin } from './relayed-port.ts';

const worker = system('tunnel-relay');

export type WantedNodesParts = { store: Store; replicaId: string; log: Logger };

/** Nodes whose hub is another replica, as the rows have them (H6). Those that cannot be relayed are named in the log, once. */
export class WantedNodes {
  readonly #parts: WantedNodesParts;
  #isOverfull = false;
  /** Ids of those whose port is not relayed, and that was said. */
  #unrelayed = new Set<string>();

  constructor(parts: WantedNodesParts) {
    this.#parts = parts;
  }

  /** `answeredMax` at most. @throws what the store says */
  async look(): Promise<NodePlace[]> {
    const { store, replicaId, log } = this.#parts;
    const rows = await store.read(worker, (db) =>
      db
        .selectFrom('tunnel_peers')
        .select(['id', 'name', 'address', 'proxy_port', 'replica_id'])
        .where('kind', '=', 'node')
        .where('replica_id', '!=', replicaId)
        .where('removed_at', 'is', null)
        .orderBy('id')
        .limit(answeredMax + 1)
        .execute(),
    );
    const isOverfull = rows.length > answeredMax;
    if (isOverfull && !this.#isOverfull) {
      log.error(`RELAYED_NODES: other hubs have more than ${answeredMax} nodes; the rest is not reached from here`);
    }
    this.#isOverfull = isOverfull;
    const unrelayed = new Set<string>();
    const places = rows.slice(0, answeredMax).flatMap((row): NodePlace[] => {
      const { id, name, address, replica_id: holder } = row;
      const port = relayedPort(row);
      if (port !== undefined) return [{ id, name, address, port, replicaId: holder }];
      unrelayed.add(id);
      if (!this.#unrelayed.has(id)) {
        const what = `a node of another hub is not reached from here: its proxy’s port is below ${relayedPortMin}`;
        log.warn(what, { node: name, address, port: row.proxy_port, replicaId: holder });
      }
      return [];
    });
    this.#unrelayed = unrelayed;
    return places;
  }
}
