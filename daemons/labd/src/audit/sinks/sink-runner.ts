/**
 * Carries the log to one sink: a cursor per chain over the store, moved after each batch the sink took (AU-6). It runs
 * beside everything else and holds one batch at a time, so a sink that is slow, away or silent delays nothing and grows
 * nothing; when it is back it gets what it missed.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { backoff } from '@labmesh/kit/retry';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { readChain } from '../audit-store.ts';
import type { Checkpoint } from '../checkpoints.ts';
import type { AuditSink, SinkBatch } from './audit-sink.ts';

export type SinkParts = {
  store: Store;
  sink: AuditSink;
  /** The chains that this replica carries: its own, and those of replicas that are gone. */
  chains: () => readonly string[] | Promise<readonly string[]>;
  clock: Clock;
  log: Logger;
  /** Told when the sink falls `alarmMs` behind, and when it has caught up. */
  onAlarm?: (sink: string, behind: boolean) => void;
  options?: { pollMs?: number; timeoutMs?: number; alarmMs?: number; batchRows?: number };
};

const defaults = { pollMs: 1_000, timeoutMs: 10_000, alarmMs: 300_000, batchRows: 200 };
const watchMs = 5_000;
/** Cursors of checkpoints stand beside those of rows; their seq is the time of the last one. */
const checkpointsOf = (chain: string) => `checkpoints:${chain}`;

type Batch = SinkBatch & { cursor: string; to: number; oldest: number };

export class SinkRunner implements AsyncDisposable {
  readonly #parts: SinkParts;
  readonly #options: Required<NonNullable<SinkParts['options']>>;
  readonly #ended = new AbortController();
  readonly #cursors = new Map<string, number>();
  readonly #loops: Promise<unknown>;
  /** Unix ms of the oldest row not taken; undefined when there is none. */
  #oldest: number | undefined;
  #failing = false;

  private constructor(parts: SinkParts) {
    this.#parts = parts;
    this.#options = { ...defaults, ...parts.options };
    this.#loops = Promise.all([this.#run(), this.#watch()]);
  }

  static start(parts: SinkParts): SinkRunner {
    return new SinkRunner(parts);
  }

  get name(): string {
    return this.#parts.sink.name;
  }

  /** Age of the oldest row that the sink has not taken, ms. */
  lagMs(): number {
    return this.#oldest === undefined ? 0 : Math.max(0, this.#parts.clock.wall() - this.#oldest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('the sink ends'));
    await this.#loops;
    await this.#parts.sink[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    const { pollMs } = this.#options;
    let waits = backoff({ firstMs: pollMs, capMs: 60_000 });
    while (!signal.aborted) {
      const done = await this.#round();
      if (done) waits = backoff({ firstMs: pollMs, capMs: 60_000 });
      const waitMs = done ? pollMs : (waits.next().value ?? pollMs);
      await this.#parts.clock.sleep(waitMs, signal).catch(() => {});
    }
  }

  /** Carries all there is; false when the sink or the store failed. */
  async #round(): Promise<boolean> {
    const { chains, log } = this.#parts;
    const { signal } = this.#ended;
    try {
      for (const chain of await chains()) {
        while (!signal.aborted && (await this.#carry(await this.#rows(chain))));
        while (!signal.aborted && (await this.#carry(await this.#checkpoints(chain))));
      }
      if (this.#failing) log.info('the audit sink takes rows again', { sink: this.name });
      this.#failing = false;
      this.#oldest = undefined;
      return true;
    } catch (error) {
      if (!this.#failing && !signal.aborted) log.warn('the audit sink does not take rows', { sink: this.name, error });
      this.#failing = true;
      return false;
    }
  }

  /** Delivers one batch and moves the cursor; false when it was empty. */
  async #carry(batch: Batch | undefined): Promise<boolean> {
    if (batch === undefined) return false;
    this.#oldest = batch.oldest;
    await this.#deliver(batch);
    await this.#save(batch.cursor, batch.to);
    return true;
  }

  async #deliver(batch: SinkBatch): Promise<void> {
    const { sink, clock } = this.#parts;
    const timer = new AbortController();
    const signal = AbortSignal.any([this.#ended.signal, timer.signal]);
    const late = clock.sleep(this.#options.timeoutMs, timer.signal).then(
      () => timer.abort(new Error(`no answer within ${this.#options.timeoutMs} ms`)),
      () => {},
    );
    const ended = Promise.withResolvers<never>();
    const onAbort = () => ended.reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      // A sink that does not listen to its signal is left behind all the same.
      await Promise.race([sink.deliver(batch, signal), ended.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      timer.abort(new Error('delivered'));
      await late;
    }
  }

  async #cursor(key: string): Promise<number> {
    const known = this.#cursors.get(key);
    if (known !== undefined) return known;
    const { store, sink } = this.#parts;
    const row = await store.read(system('audit-sink'), (db) =>
      db
        .selectFrom('audit_cursors')
        .select('seq')
        .where('sink', '=', sink.name)
        .where('chain', '=', key)
        .executeTakeFirst(),
    );
    const seq = row?.seq ?? 0;
    this.#cursors.set(key, seq);
    return seq;
  }

  async #save(chain: string, seq: number): Promise<void> {
    const { store, sink, clock } = this.#parts;
    const row = { sink: sink.name, chain, seq, updated_at: clock.wall() };
    await store.write(system('audit-sink'), (tx) =>
      tx
        .insertInto('audit_cursors')
        .values(row)
        .onConflict((on) => on.columns(['sink', 'chain']).doUpdateSet({ seq, updated_at: row.updated_at }))
        .execute(),
    );
    this.#cursors.set(chain, seq);
  }

  async #rows(chain: string): Promise<Batch | undefined> {
    const after = await this.#cursor(chain);
    const rows = await readChain(this.#parts.store, chain, after + 1, this.#options.batchRows);
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    return { rows, checkpoints: [], cursor: chain, to: last.seq, oldest: first.at };
  }

  async #checkpoints(chain: string): Promise<Batch | undefined> {
    const cursor = checkpointsOf(chain);
    const after = await this.#cursor(cursor);
    const rows = await this.#parts.store.read(system('audit-sink'), (db) =>
      db
        .selectFrom('audit_checkpoints')
        .selectAll()
        .where('replica_id', '=', chain)
        .where('created_at', '>', after)
        .orderBy('created_at')
        .limit(this.#options.batchRows)
        .execute(),
    );
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const checkpoints: Checkpoint[] = rows.map((row) => ({
      id: row.id,
      createdAt: row.created_at,
      replicaId: row.replica_id,
      body: row.body,
      signature: row.signature,
    }));
    return { rows: [], checkpoints, cursor, to: last.created_at, oldest: first.created_at };
  }

  /** Raises and ends the alarm, on a clock of its own: the carrying may be stuck for long. */
  async #watch(): Promise<void> {
    const { signal } = this.#ended;
    const { clock, log, onAlarm } = this.#parts;
    let alarmed = false;
    while (!signal.aborted) {
      await clock.sleep(watchMs, signal).catch(() => {});
      const behind = this.lagMs() >= this.#options.alarmMs;
      if (signal.aborted || behind === alarmed) continue;
      alarmed = behind;
      const fields = { sink: this.name, lagMs: this.lagMs() };
      if (behind) log.error('the audit sink is behind', fields);
      else log.info('the audit sink has caught up', fields);
      onAlarm?.(this.name, behind);
    }
  }
}
