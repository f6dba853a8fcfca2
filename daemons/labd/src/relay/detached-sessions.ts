/**
 * Detached commands whose replica is gone (EX-8, RP-2): nobody comes back for them by himself, and their output waits at
 * the agent for somebody who records it. The replica that holds the agent takes them over: at the latest 15 s after the
 * other one was killed, and before the agent thinks that nobody ever comes (`exec.orphan_ttl`).
 */
import { system } from '@labmesh/wire/fleet/principal';
import type { AgentHub } from '../hub/agent-hub.ts';
import type { Replicas } from '../hub/replicas.ts';
import type { World } from '../settings/world.ts';
import type { SessionRow } from './session-rows.ts';

const worker = system('detached-sessions');
const lookMs = 5_000;
const sessionsMax = 500;

export type DetachedSessionsParts = World & {
  hub: Pick<AgentHub, 'find'>;
  replicas: Pick<Replicas, 'others'>;
  replicaId: string;
  /** Whether the session's relay is here. */
  isHere: (session: string) => boolean;
  adopt: (row: SessionRow) => Promise<void>;
};

export class DetachedSessions implements AsyncDisposable {
  readonly #parts: DetachedSessionsParts;
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;

  constructor(parts: DetachedSessionsParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.look(), lookMs);
  }

  /** Takes over what waits for it. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#parts.log.warn('detached sessions were not looked at', { error }))
      .finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { store, hub, isHere, adopt } = this.#parts;
    const rows = await store.read(worker, (db) =>
      db
        .selectFrom('sessions')
        .selectAll()
        .where('state', '=', 'detached')
        .where('ended_at', 'is', null)
        .orderBy('id', 'desc')
        .limit(sessionsMax)
        .execute(),
    );
    const ours = rows.filter(({ id, agent_id }) => hub.find(agent_id) !== undefined && !isHere(id));
    const kept = await this.#keptElsewhere(ours);
    for (const row of ours) if (!kept.has(row.id)) await adopt(row);
  }

  /** Sessions whose last part another replica still writes; those that nobody records are left to the agent's ring. */
  async #keptElsewhere(rows: readonly SessionRow[]): Promise<ReadonlySet<string>> {
    const { store, replicas, replicaId } = this.#parts;
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return new Set();
    const parts = await store.read(worker, (db) =>
      db
        .selectFrom('recordings')
        .select(['session_id', 'replica_id', 'ended_at'])
        .where('session_id', 'in', ids)
        .orderBy('part')
        .orderBy('created_at')
        .execute(),
    );
    const live = new Set(replicas.others().map(({ id }) => id));
    const last = new Map(parts.map((part) => [part.session_id, part]));
    const isKept = (id: string) => {
      const part = last.get(id);
      if (part === undefined) return true;
      return part.replica_id !== replicaId && part.ended_at === null && live.has(part.replica_id);
    };
    return new Set(ids.filter(isKept));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }
}
