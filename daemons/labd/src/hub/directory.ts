/**
 * Which replica holds which agent (RP-1): one row an agent with an epoch that rises with each connection, so that the
 * newest connection wins everywhere and a late goodbye of an old one removes nothing (HB-10).
 */
import { preparedList } from '@labmesh/store/prepared';
import type { Store, Writer } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { Msg } from '@labmesh/wire/frame/messages';
import { Batch, evenPieces } from '../limits/batch.ts';

const hub = system('hub');
const chunkSize = 400;
/** Agents of one look-up or claim, and of one statement that lets go. */
const batchMax = 128;
const releaseMax = 32;

export type KnownAgent = {
  agentId: string;
  serverId: string;
  hostname: string;
  status: string;
  version: string | null;
  bundle: string | null;
  /** The replica that has it now, and the instance that it has. */
  holder: string | null;
  instanceId: string | null;
};

type UpdateReport = Pick<Extract<Msg, { kind: 'update-report' }>, 'state' | 'badVersions'>;

/** An agent that this replica takes, with what is new about it. */
export type Claim = { agentId: string; instanceId: string; version?: string; bundle?: string; now: number };

const agentRows = preparedList<{ id: string }, KnownAgent>((db, items) =>
  db
    .selectFrom('agents')
    .innerJoin('servers', 'servers.id', 'agents.server_id')
    .leftJoin('agent_sessions', 'agent_sessions.agent_id', 'agents.id')
    .select(['agents.id as agentId', 'agents.version', 'agents.bundle'])
    .select(['servers.id as serverId', 'servers.hostname', 'servers.status'])
    .select(['agent_sessions.replica_id as holder', 'agent_sessions.instance_id as instanceId'])
    .where(
      'agents.id',
      'in',
      items.map(({ id }) => id),
    ),
);

type Taking = Pick<Claim, 'agentId' | 'instanceId' | 'now'> & { replicaId: string };

const takeRows = preparedList<Taking, { agent_id: string; epoch: number }>((db, items) =>
  db
    .insertInto('agent_sessions')
    .values(
      items.map(({ agentId, replicaId, instanceId, now }) => ({
        agent_id: agentId,
        replica_id: replicaId,
        instance_id: instanceId,
        epoch: 1,
        connected_at: now,
      })),
    )
    .onConflict((on) =>
      on.column('agent_id').doUpdateSet((eb) => ({
        replica_id: eb.ref('excluded.replica_id'),
        instance_id: eb.ref('excluded.instance_id'),
        connected_at: eb.ref('excluded.connected_at'),
        epoch: eb('agent_sessions.epoch', '+', 1),
      })),
    )
    .returning(['agent_id', 'epoch']),
);

function* chunks<T>(items: readonly T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += chunkSize) yield items.slice(at, at + chunkSize);
}

export class Directory {
  readonly #store: Store;
  readonly #replicaId: string;
  readonly #lookUps = new Batch<string, KnownAgent | undefined>(batchMax, (ids) => this.#knownOf(ids));
  readonly #reports = new Batch<{ agentId: string; report: UpdateReport }, string[]>(batchMax, (items) =>
    this.#saveReports(items),
  );
  readonly #claims = new Batch<Claim, number>(batchMax, (claims) => this.#claimAll(claims));

  constructor(store: Store, replicaId: string) {
    this.#store = store;
    this.#replicaId = replicaId;
  }

  /** The agent and its server; undefined when it is gone. @throws FleetError STORE_UNAVAILABLE. */
  known(agentId: string): Promise<KnownAgent | undefined> {
    return this.#lookUps.add(agentId);
  }

  async #knownOf(ids: readonly string[]): Promise<(KnownAgent | undefined)[]> {
    const found = new Map<string, KnownAgent>();
    await this.#store.read(hub, async (db) => {
      for (const piece of evenPieces(ids, batchMax)) {
        for (const row of await agentRows(
          db,
          piece.map((id) => ({ id })),
        ))
          found.set(row.agentId, row);
      }
    });
    return ids.map((id) => found.get(id));
  }

  /** Takes the agent for this replica; gives the new epoch. @throws FleetError STORE_UNAVAILABLE, STORE_CONFLICT. */
  claim(claim: Claim): Promise<number> {
    return this.#claims.add(claim);
  }

  async #claimAll(claims: readonly Claim[]): Promise<number[]> {
    return this.#store.write(hub, async (tx) => {
      const epochs: number[] = [];
      for (const round of withoutDoubles(claims)) {
        for (const piece of evenPieces(round, batchMax)) {
          const taken = await this.#take(tx, piece);
          for (const { index, agentId } of piece) epochs[index] = taken.get(agentId) ?? 0;
        }
      }
      for (const { agentId, version, bundle } of claims) {
        const news = { ...(version !== undefined && { version }), ...(bundle !== undefined && { bundle }) };
        if (Object.keys(news).length > 0) await tx.updateTable('agents').set(news).where('id', '=', agentId).execute();
      }
      return epochs;
    });
  }

  async #take(tx: Writer, claims: readonly Claim[]): Promise<Map<string, number>> {
    const replicaId = this.#replicaId;
    const taken = await takeRows(
      tx,
      claims.map(({ agentId, instanceId, now }) => ({ agentId, instanceId, now, replicaId })),
    );
    return new Map(taken.map(({ agent_id, epoch }) => [agent_id, epoch]));
  }

  /** Lets go of agents that left this replica, each unless a newer epoch holds it. */
  async release(gone: readonly { agentId: string; epoch: number }[]): Promise<void> {
    if (gone.length === 0) return;
    await this.#store.write(hub, async (tx) => {
      for (const piece of evenPieces(gone, releaseMax)) {
        await tx
          .deleteFrom('agent_sessions')
          .where((eb) =>
            eb.or(piece.map(({ agentId, epoch }) => eb.and([eb('agent_id', '=', agentId), eb('epoch', '=', epoch)]))),
          )
          .execute();
      }
    });
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

  /** Agents that may come, of the whole fleet (HB-11). */
  async activeCount(): Promise<number> {
    const row = await this.#store.read(hub, (db) =>
      db
        .selectFrom('agents')
        .innerJoin('servers', 'servers.id', 'agents.server_id')
        .select((eb) => eb.fn.countAll<number | string>().as('count'))
        .where('servers.status', '=', 'active')
        .executeTakeFirstOrThrow(),
    );
    return Number(row.count);
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

  /**
   * How updates go on an agent; gives the versions that it had not called bad before. Written only when it is news:
   * a rack that comes back reports all at once.
   */
  saveUpdateReport(agentId: string, report: UpdateReport): Promise<string[]> {
    return this.#reports.add({ agentId, report });
  }

  async #saveReports(items: readonly { agentId: string; report: UpdateReport }[]): Promise<string[][]> {
    return this.#store.write(hub, async (tx) => {
      const fresh: string[][] = [];
      for (const { agentId, report } of items) {
        const known = await tx
          .selectFrom('agents')
          .select(['update_state', 'bad_versions'])
          .where('id', '=', agentId)
          .executeTakeFirst();
        const bad = JSON.stringify(report.badVersions);
        const before = known === undefined ? [] : (JSON.parse(known.bad_versions) as string[]);
        fresh.push(report.badVersions.filter((version) => !before.includes(version)));
        if (known === undefined || (known.update_state === report.state && known.bad_versions === bad)) continue;
        const news = { update_state: report.state, bad_versions: bad };
        await tx.updateTable('agents').set(news).where('id', '=', agentId).execute();
      }
      return fresh;
    });
  }

  async saveBundle(agentId: string, bundle: string): Promise<void> {
    await this.#store.write(hub, (tx) => tx.updateTable('agents').set({ bundle }).where('id', '=', agentId).execute());
  }
}

/** Claims in rounds that name no agent twice: one statement may not write a row two times. Their place goes with them. */
function withoutDoubles(claims: readonly Claim[]): (Claim & { index: number })[][] {
  const rounds: (Claim & { index: number })[][] = [];
  const seen = new Map<string, number>();
  for (const [index, claim] of claims.entries()) {
    const round = seen.get(claim.agentId) ?? 0;
    seen.set(claim.agentId, round + 1);
    (rounds[round] ??= []).push({ ...claim, index });
  }
  return rounds;
}
