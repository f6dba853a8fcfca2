/**
 * Which replica holds which agent (RP-1): one row an agent with an epoch that rises with each connection, so that the
 * newest connection wins everywhere and a late goodbye of an old one removes nothing (HB-10).
 */
import type { Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';

const hub = system('hub');
const chunkSize = 400;

export type KnownAgent = { agentId: string; serverId: string; hostname: string; status: string; bundle: string | null };

function* chunks<T>(items: readonly T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += chunkSize) yield items.slice(at, at + chunkSize);
}

export class Directory {
  readonly #store: Store;
  readonly #replicaId: string;

  constructor(store: Store, replicaId: string) {
    this.#store = store;
    this.#replicaId = replicaId;
  }

  /** The agent and its server. @throws FleetError REVOKED when it is gone. */
  async known(agentId: string): Promise<KnownAgent> {
    const row = await this.#store.read(hub, (db) =>
      db
        .selectFrom('agents')
        .innerJoin('servers', 'servers.id', 'agents.server_id')
        .select(['agents.id', 'agents.bundle', 'servers.id as serverId', 'servers.hostname', 'servers.status'])
        .where('agents.id', '=', agentId)
        .executeTakeFirst(),
    );
    if (row === undefined) throw new FleetError('REVOKED');
    return { agentId: row.id, serverId: row.serverId, hostname: row.hostname, status: row.status, bundle: row.bundle };
  }

  /** Takes the agent for this replica; gives the new epoch. */
  async claim(agentId: string, instanceId: string, version: string, now: number): Promise<number> {
    return this.#store.write(hub, async (tx) => {
      const old = await tx
        .selectFrom('agent_sessions')
        .select('epoch')
        .where('agent_id', '=', agentId)
        .executeTakeFirst();
      const row = {
        agent_id: agentId,
        replica_id: this.#replicaId,
        instance_id: instanceId,
        epoch: (old?.epoch ?? 0) + 1,
        connected_at: now,
      };
      await tx
        .insertInto('agent_sessions')
        .values(row)
        .onConflict((on) => on.column('agent_id').doUpdateSet(row))
        .execute();
      await tx.updateTable('agents').set({ version }).where('id', '=', agentId).execute();
      return row.epoch;
    });
  }

  /** Lets go of agents that left this replica, each unless a newer epoch holds it. */
  async release(gone: readonly { agentId: string; epoch: number }[]): Promise<void> {
    for (const { agentId, epoch } of gone) {
      await this.#store.write(hub, (tx) =>
        tx.deleteFrom('agent_sessions').where('agent_id', '=', agentId).where('epoch', '=', epoch).execute(),
      );
    }
  }

  /** At the start: what an earlier life of this replica left behind. */
  async clear(): Promise<void> {
    await this.#store.write(hub, (tx) =>
      tx.deleteFrom('agent_sessions').where('replica_id', '=', this.#replicaId).execute(),
    );
  }

  /** One batch of last-seen times (HB-9). */
  async seen(serverIds: readonly string[], at: number): Promise<void> {
    for (const ids of chunks(serverIds)) {
      await this.#store.write(hub, (tx) => this.#touch(tx, ids, at));
    }
  }

  async #touch(tx: Writer, ids: string[], at: number): Promise<void> {
    await tx.updateTable('servers').set({ last_seen_at: at }).where('id', 'in', ids).execute();
  }

  /** Which of these agents another replica has taken since. */
  async takenElsewhere(agentIds: readonly string[]): Promise<Set<string>> {
    const taken = new Set<string>();
    for (const ids of chunks(agentIds)) {
      const rows = await this.#store.read(hub, (db) =>
        db
          .selectFrom('agent_sessions')
          .select('agent_id')
          .where('agent_id', 'in', ids)
          .where('replica_id', '!=', this.#replicaId)
          .execute(),
      );
      for (const row of rows) taken.add(row.agent_id);
    }
    return taken;
  }

  /** The replica that holds an agent, and how to reach it; undefined when none does. */
  async holderOf(agentId: string): Promise<{ replicaId: string; peerUrl: string | null; seenAt: number } | undefined> {
    const row = await this.#store.read(hub, (db) =>
      db
        .selectFrom('agent_sessions')
        .innerJoin('replicas', 'replicas.id', 'agent_sessions.replica_id')
        .select(['agent_sessions.replica_id', 'replicas.peer_url', 'replicas.seen_at'])
        .where('agent_sessions.agent_id', '=', agentId)
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : { replicaId: row.replica_id, peerUrl: row.peer_url, seenAt: row.seen_at };
  }

  /** Marks a server whose identity two machines use (HB-10). */
  async markConflict(serverId: string): Promise<void> {
    await this.#store.write(hub, (tx) =>
      tx
        .updateTable('servers')
        .set((eb) => ({ status: 'conflict', revision: eb('revision', '+', 1) }))
        .where('id', '=', serverId)
        .execute(),
    );
  }

  /** What an agent found on its machine; labels it reports stand under `facts.*`. */
  async saveFacts(serverId: string, facts: Record<string, unknown>, ip: string): Promise<void> {
    const labels = Object.entries((facts['labels'] ?? {}) as Record<string, unknown>)
      .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      .slice(0, 64);
    await this.#store.write(hub, async (tx) => {
      await tx
        .updateTable('servers')
        .set({ facts: JSON.stringify(facts), ip })
        .where('id', '=', serverId)
        .execute();
      await tx.deleteFrom('server_labels').where('server_id', '=', serverId).where('source', '=', 'agent').execute();
      if (labels.length === 0) return;
      const rows = labels.map(([key, value]) => ({
        server_id: serverId,
        key: `facts.${key.replace(/^facts\./, '')}`.slice(0, 63),
        value: value.slice(0, 253),
        source: 'agent',
      }));
      await tx
        .insertInto('server_labels')
        .values(rows)
        .onConflict((on) => on.columns(['server_id', 'key']).doNothing())
        .execute();
    });
  }

  async saveBundle(agentId: string, bundle: string): Promise<void> {
    await this.#store.write(hub, (tx) => tx.updateTable('agents').set({ bundle }).where('id', '=', agentId).execute());
  }
}
