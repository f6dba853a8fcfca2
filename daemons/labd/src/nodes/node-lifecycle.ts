/** How nodes leave: removed, with the way back that their token is; or banned, without one until unban (H3). */
import type { Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Caller } from '../login/caller.ts';
import type { World } from '../settings/world.ts';
import { getNode, type NodeWithPeer } from './node-rows.ts';
import type { NodeTunnel } from './node-tunnel.ts';
import { peerOfNode, retirePeer } from './peer-rows.ts';

export type NodeLifecycleParts = Pick<World, 'store' | 'clock'> & { tunnel: NodeTunnel };

export class NodeLifecycle {
  readonly #parts: NodeLifecycleParts;

  constructor(parts: NodeLifecycleParts) {
    this.#parts = parts;
  }

  /** Writes the change and the end of its peer in one transaction, then ends the peer's session (tunnel H1: ≤ 1 s). */
  async #leave(caller: Caller, nodeId: string, change: (tx: Writer, now: number) => Promise<unknown>): Promise<void> {
    const { store, clock, tunnel } = this.#parts;
    const peer = await store.write(caller.principal, async (tx) => {
      const now = clock.wall();
      const found = await peerOfNode(tx, nodeId);
      if (found !== undefined) await retirePeer(tx, found.id, now);
      await change(tx, now);
      return found;
    });
    if (peer !== undefined) await tunnel.removePeer(peer.id);
  }

  /** Forgets a node. Its token stays good: it may come in again, as the same node. */
  remove(caller: Caller, nodeId: string): Promise<void> {
    return this.#leave(caller, nodeId, (tx) => tx.deleteFrom('nodes').where('id', '=', nodeId).execute());
  }

  /** Refuses the node, its keys and its tokens until unban. Safe to repeat. @throws FleetError NOT_FOUND. */
  async ban(caller: Caller, nodeId: string): Promise<NodeWithPeer> {
    await this.#leave(caller, nodeId, (tx) =>
      tx
        .updateTable('nodes')
        .set((row) => ({ state: 'banned', registered_at: null, revision: row('revision', '+', 1) }))
        .where('id', '=', nodeId)
        .execute(),
    );
    return this.#parts.store.read(caller.principal, (db) => getNode(db, nodeId));
  }

  /** Lifts a ban; the node is in once it has registered again. @throws FleetError NOT_FOUND, CONFLICT. */
  unban(caller: Caller, nodeId: string): Promise<NodeWithPeer> {
    return this.#parts.store.write(caller.principal, async (tx) => {
      const lifted = await tx
        .updateTable('nodes')
        .set((row) => ({ state: 'active', revision: row('revision', '+', 1) }))
        .where('id', '=', nodeId)
        .where('state', '=', 'banned')
        .executeTakeFirst();
      const row = await getNode(tx, nodeId);
      if (lifted.numUpdatedRows === 0n) throw new FleetError('CONFLICT', { message: 'this node is not banned' });
      return row;
    });
  }
}
