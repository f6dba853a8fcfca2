/** The replicas that share one database: each says every 2 s that it lives; who was silent for 10 s is gone (RP-1). */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';

const worker = system('replicas');
const beatMs = 2_000;
export const replicaLiveMs = 10_000;
/** Rows of replicas that are long gone are removed. */
const forgottenMs = 30 * 86_400_000;

export type Replica = {
  id: string;
  version: string;
  startedAt: number;
  seenAt: number;
  peerUrl: string | null;
  agentUrl: string | null;
};

export type ReplicasParts = {
  store: Store;
  clock: Clock;
  log: Logger;
  self: { id: string; version: string; peerUrl: string | null; agentUrl: string | null };
};

export class Replicas implements AsyncDisposable {
  readonly #parts: ReplicasParts;
  readonly #startedAt: number;
  readonly #timer: NodeJS.Timeout;
  #all: readonly Replica[] = [];
  #beating: Promise<void> | undefined;

  private constructor(parts: ReplicasParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.wall();
    this.#timer = setInterval(() => void this.beat(), beatMs);
  }

  static async open(parts: ReplicasParts): Promise<Replicas> {
    const replicas = new Replicas(parts);
    await replicas.beat();
    return replicas;
  }

  /** All that were ever seen, from the last beat. */
  list(): readonly Replica[] {
    return this.#all;
  }
  isLive(replica: Replica): boolean {
    return this.#parts.clock.wall() - replica.seenAt < replicaLiveMs;
  }
  /** The live ones beside this. */
  others(): readonly Replica[] {
    return this.#all.filter((one) => one.id !== this.#parts.self.id && this.isLive(one));
  }

  /** Says that we live and looks who else does. Never rejects. */
  beat(): Promise<void> {
    this.#beating ??= this.#beat()
      .catch((error: unknown) => this.#parts.log.warn('the list of replicas could not be read', { error }))
      .finally(() => (this.#beating = undefined));
    return this.#beating;
  }

  async #beat(): Promise<void> {
    const { store, clock, self } = this.#parts;
    const now = clock.wall();
    const row = {
      id: self.id,
      created_at: this.#startedAt,
      peer_url: self.peerUrl,
      agent_url: self.agentUrl,
      version: self.version,
      started_at: this.#startedAt,
      seen_at: now,
      keks: '[]',
    };
    // Which keys are loaded is told by the secrets, not here (SE-3).
    const { created_at: _, keks: __, ...changed } = row;
    const rows = await store.write(worker, async (tx) => {
      await tx
        .insertInto('replicas')
        .values(row)
        .onConflict((on) => on.column('id').doUpdateSet(changed))
        .execute();
      await tx
        .deleteFrom('replicas')
        .where('seen_at', '<', now - forgottenMs)
        .execute();
      return tx.selectFrom('replicas').selectAll().orderBy('id').execute();
    });
    this.#all = rows.map((one) => ({
      id: one.id,
      version: one.version,
      startedAt: one.started_at,
      seenAt: one.seen_at,
      peerUrl: one.peer_url,
      agentUrl: one.agent_url,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    // A replica that left in order is not waited for.
    const { store, self } = this.#parts;
    await store
      .write(worker, (tx) => tx.updateTable('replicas').set({ seen_at: 0 }).where('id', '=', self.id).execute())
      .catch(() => undefined);
  }
}
