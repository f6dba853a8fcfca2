/** The Store over either engine: principals, runs, retries (ST-1, ST-3). */
import type { Clock } from '@labmesh/kit/clock';
import { systemClock } from '@labmesh/kit/clock';
import { type Principal, principalSchema, system } from '@labmesh/wire/fleet/principal';
import { CompiledQuery } from 'kysely';
import type { Engine } from './engine.ts';
import { type FaultPlan, InjectedConflict } from './faults.ts';
import { type Run, runs } from './guarded-driver.ts';
import { asStoreError, faultKind, storeConflict, storeUnavailable } from './store-errors.ts';
import type { Reader, Snapshot, Store, Writer } from './store.ts';

export const triesMax = 8;
const firstWaitMs = 10;

/** Full jitter (ST-3): uniform between 0 and 10 ms × 2^n after try n. */
export const retryWaitMs = (attempt: number, random: () => number = Math.random): number =>
  random() * firstWaitMs * 2 ** attempt;

export type SqlStoreOptions = {
  engine: Engine;
  clock: Clock;
  besideUrl?: string | undefined;
  faults?: FaultPlan | undefined;
  /** How long a call made inside a write waits for that write. Shorter in tests. */
  nestedWaitMs?: number;
};

function assertPrincipal(principal: Principal): void {
  if (!principalSchema.safeParse(principal).success) throw new TypeError('the store works for a principal only');
}

export class SqlStore implements Store {
  readonly engine: 'sqlite' | 'postgres';
  readonly clock: Clock;
  readonly #engine: Engine;
  readonly #options: SqlStoreOptions;
  /** What must end before the engine may be closed. */
  readonly #working = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  #retries = 0;

  constructor(options: SqlStoreOptions) {
    this.engine = options.engine.name;
    this.clock = options.clock;
    this.#engine = options.engine;
    this.#options = options;
  }

  get besideUrl(): string | undefined {
    return this.#options.besideUrl;
  }

  get retries(): number {
    return this.#retries;
  }

  read<T>(principal: Principal, query: (db: Reader) => Promise<T>): Promise<T> {
    return this.#enter(principal, 'read', () => query(this.#engine.reader));
  }

  write<T>(principal: Principal, work: (tx: Writer) => Promise<T>): Promise<T> {
    const begin = this.#engine.writer.transaction().setIsolationLevel('serializable').setAccessMode('read write');
    return this.#enter(principal, 'write', () => begin.execute(work));
  }

  async snapshot(principal: Principal): Promise<Snapshot> {
    const outer = this.#check(principal);
    const run = this.#run('read', 1);
    const ended = Promise.withResolvers<void>();
    void this.#track(ended.promise);
    try {
      if (outer !== undefined) await this.#outlive(outer);
      const { transaction, close } = await runs.run(run, () => this.#engine.startSnapshot());
      const end = async () => {
        if (run.over) return;
        await transaction.rollback().execute();
        run.over = true;
        await close();
        ended.resolve();
      };
      return { db: transaction, [Symbol.asyncDispose]: end };
    } catch (error) {
      ended.resolve();
      throw asStoreError(error);
    }
  }

  async ping(): Promise<number> {
    const start = performance.now();
    await this.read(system('ping'), (db) => db.executeQuery(CompiledQuery.raw('select 1')));
    return performance.now() - start;
  }

  /** One DDL statement in no transaction: for migrations (ST-4). Not repeated. @throws what the driver threw. */
  ddl(text: string): Promise<void> {
    return this.#track(runs.run(this.#run('schema', 1), () => this.#engine.ddl(text)));
  }

  /** @returns the write of this store that the call was made in, if it is still under way. */
  #check(principal: Principal): Run | undefined {
    assertPrincipal(principal);
    if (this.#closing !== undefined) throw storeUnavailable(new Error('the store is closed'));
    const outer = runs.getStore();
    return outer?.mode === 'write' && outer.store === this && !outer.over ? outer : undefined;
  }

  /**
   * A call from inside a write comes after it: when nobody in there waits for it, as with a flush that somebody set off.
   * When the write does wait, neither could ever go on (on SQLite), and the mistake is told.
   */
  async #outlive(outer: Run): Promise<void> {
    const waiting = new AbortController();
    const wait = systemClock.sleep(this.#options.nestedWaitMs ?? 2_000, waiting.signal).catch(() => {});
    await Promise.race([outer.ended, wait]);
    waiting.abort();
    if (!outer.over) throw new TypeError('inside Store.write only its transaction is used');
  }

  async #enter<T>(principal: Principal, mode: 'read' | 'write', work: () => Promise<T>): Promise<T> {
    const outer = this.#check(principal);
    const run = () => this.#repeat(mode, work);
    return this.#track(outer === undefined ? run() : this.#outlive(outer).then(run));
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#working.add(work);
    try {
      return await work;
    } finally {
      this.#working.delete(work);
    }
  }

  #run(mode: Run['mode'], attempt: number): Run {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const { faults } = this.#options;
    return { store: this, mode, attempt, faults, statements: 0, failed: undefined, over: false, ended, end };
  }

  /** Runs `work` until it ends otherwise than by a conflict. What the driver saw decides, not what `work` made of it. */
  async #repeat<T>(mode: 'read' | 'write', work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const run = this.#run(mode, attempt);
      try {
        return await runs.run(run, work);
      } catch (error) {
        if (run.failed === undefined) throw error;
        const kind = faultKind(run.failed);
        if (kind === 'other') throw error;
        if (kind === 'away') throw storeUnavailable(run.failed);
        if (attempt === triesMax) throw storeConflict(run.failed, triesMax);
        this.#retries++;
        if (!(run.failed instanceof InjectedConflict)) await systemClock.sleep(retryWaitMs(attempt));
      } finally {
        run.over = true;
        run.end();
      }
    }
  }

  /** Waits for what is under way, then closes. Calls that come later get STORE_UNAVAILABLE. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#working).then(() => this.#engine.close());
    return this.#closing;
  }
}
