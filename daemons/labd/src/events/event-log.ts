/**
 * What happened in the fleet, for people and dashboards that watch: `server-enrolled`, `agent-connected`, `agent-lost`,
 * `cert-expiring` … Events are kept a week and pushed to whoever listens on this replica; those of other replicas are
 * read from the store each second. Nothing decides by them.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import type { FleetEvent } from '@labmesh/wire/fleet/resources/records';
import { uuidv7 } from '@labmesh/wire/ids';

export type EventType =
  | 'server-enrolled'
  | 'server-waiting'
  | 'server-conflict'
  | 'agent-connected'
  | 'agent-lost'
  | 'agent-removed'
  | 'agent-update-bad'
  | 'cert-expiring'
  | 'recording-failed'
  | 'recording-archive'
  | 'audit-sink-late'
  | 'rotation-step'
  | 'bastion-progress'
  | 'node-registered'
  | 'node-removed'
  | 'node-banned'
  | 'tunnel-changed';

const writer = system('events');
const keptMs = 7 * 86_400_000;
const queueMax = 1_000;
const flushMs = 200;
const pageMax = 500;

type Row = { id: string; created_at: number; type: string; resource: string; resource_id: string; details: string };

const eventOf = (row: Row): FleetEvent => ({
  id: row.id,
  at: timeText(row.created_at),
  type: row.type,
  resource: row.resource,
  resourceId: row.resource_id,
  details: JSON.parse(row.details) as unknown,
});

export type EventLogParts = { store: Store; clock: Clock; log: Logger };

export class EventLog implements AsyncDisposable {
  readonly #parts: EventLogParts;
  readonly #ending = new AbortController();
  #queue: Row[] = [];
  #flushing: Promise<void> | undefined;
  /** Events that were dropped because the store was away. */
  dropped = 0;

  constructor(parts: EventLogParts) {
    this.#parts = parts;
  }

  /** Never waits and never throws: an event is told, not promised. */
  emit(type: EventType, resource: string, resourceId: string, details: Record<string, unknown> = {}): void {
    this.#parts.log.info(type, { resource, resourceId, ...details });
    if (this.#queue.length >= queueMax) {
      this.dropped++;
      return;
    }
    const now = this.#parts.clock.wall();
    this.#queue.push({
      id: uuidv7(),
      created_at: now,
      type,
      resource,
      resource_id: resourceId,
      details: JSON.stringify(details),
    });
    this.#flushing ??= this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#parts.clock.sleep(flushMs, this.#ending.signal).catch(() => undefined);
    const rows = this.#queue;
    this.#queue = [];
    this.#flushing = undefined;
    try {
      await this.#parts.store.write(writer, (tx) => tx.insertInto('events').values(rows).execute());
    } catch (error) {
      this.dropped += rows.length;
      this.#parts.log.warn('events were lost', { count: rows.length, error });
    }
  }

  /** Events after `cursor` (an event's id), oldest first, at most 500. */
  async since(principal: Principal, cursor: string): Promise<FleetEvent[]> {
    const rows = await this.#parts.store.read(principal, (db) =>
      db.selectFrom('events').selectAll().where('id', '>', cursor).orderBy('id').limit(pageMax).execute(),
    );
    return rows.map(eventOf);
  }

  /** Removes what is older than a week; run by a reconciler. */
  async prune(): Promise<void> {
    const before = this.#parts.clock.wall() - keptMs;
    await this.#parts.store.write(writer, (tx) => tx.deleteFrom('events').where('created_at', '<', before).execute());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error('stopping'));
    await this.#flushing;
  }
}
