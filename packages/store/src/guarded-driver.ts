/**
 * One door for both engines: a Kysely driver around the engine's own. Each call of `Store.read` or `Store.write` is a
 * Run, known to everything that happens inside it through AsyncLocalStorage. The driver keeps what would otherwise
 * differ between engines or go wrong in silence:
 *
 * - a query needs a live Run, so a leaked `db` or `tx` is useless; a read reads only;
 * - after a failed statement its transaction gives nothing but that error and never commits (PostgreSQL does so, SQLite
 *   would go on);
 * - a statement that somebody forgot to await cannot run after its transaction has ended, in no transaction at all.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult, TransactionSettings } from 'kysely';
import type { FaultPlan } from './faults.ts';

export type Run = {
  /** The store it belongs to: only within one store nesting is a mistake. */
  readonly store: object;
  /** `schema` may send anything and stands in no transaction. */
  readonly mode: 'read' | 'write' | 'schema';
  readonly attempt: number;
  readonly faults: FaultPlan | undefined;
  /** Statements begun so far. */
  statements: number;
  /** The driver's first error in this run; it decides about a retry, whatever the caller made of it. */
  failed: Error | undefined;
  over: boolean;
  /** Resolves when it is over. */
  readonly ended: Promise<void>;
  readonly end: () => void;
};
export const runs = new AsyncLocalStorage<Run>();

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

const reads = /^\s*(select|with|values|explain)\b/i;

class GuardedConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  readonly run: Run;
  inTransaction = false;
  ended = false;

  constructor(inner: DatabaseConnection, run: Run) {
    this.inner = inner;
    this.run = run;
  }

  /** Throws what stands in the way of the next statement (or the commit). */
  check(commit = false): void {
    const { run } = this;
    if (!this.inTransaction) return;
    if (run.failed !== undefined) throw run.failed;
    const fault =
      run.mode === 'write' ? run.faults?.({ attempt: run.attempt, statement: ++run.statements, commit }) : undefined;
    if (fault === undefined) return;
    run.failed = fault;
    throw fault;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { run } = this;
    if (this.ended || run.over) throw new TypeError('a query outside the read or write that it belongs to');
    if (run.mode === 'read' && !reads.test(query.sql)) throw new TypeError('Store.read only reads; use Store.write');
    this.check();
    try {
      return await this.inner.executeQuery<R>(query);
    } catch (error) {
      run.failed = asError(error);
      throw error;
    }
  }

  // oxlint-disable-next-line require-yield -- the shape is Kysely's; long results come in pages (ST-5)
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new TypeError('rows are read in pages, not as a stream');
  }
}

class GuardedDriver implements Driver {
  readonly #inner: Driver;

  constructor(inner: Driver) {
    this.#inner = inner;
  }

  init = () => this.#inner.init();
  destroy = () => this.#inner.destroy();

  async acquireConnection(): Promise<GuardedConnection> {
    const run = runs.getStore();
    if (run === undefined || run.over) throw new TypeError('queries are made inside Store.read or Store.write');
    try {
      return new GuardedConnection(await this.#inner.acquireConnection(), run);
    } catch (error) {
      run.failed ??= asError(error);
      throw error;
    }
  }

  async beginTransaction(connection: GuardedConnection, settings: TransactionSettings): Promise<void> {
    try {
      await this.#inner.beginTransaction(connection.inner, settings);
      connection.inTransaction = true;
    } catch (error) {
      connection.run.failed ??= asError(error);
      throw error;
    }
  }

  async commitTransaction(connection: GuardedConnection): Promise<void> {
    connection.check(true);
    connection.ended = true;
    try {
      await this.#inner.commitTransaction(connection.inner);
    } catch (error) {
      connection.run.failed ??= asError(error);
      throw error;
    }
  }

  async rollbackTransaction(connection: GuardedConnection): Promise<void> {
    connection.ended = true;
    try {
      await this.#inner.rollbackTransaction(connection.inner);
    } catch (error) {
      // The connection is thrown away by the inner driver, which ends the transaction too. What went wrong first is
      // what the caller should hear.
      connection.run.failed ??= asError(error);
    }
  }

  releaseConnection(connection: GuardedConnection): Promise<void> {
    connection.ended = true;
    return this.#inner.releaseConnection(connection.inner);
  }
}

/** The dialect with its driver behind the guard. */
export function guarded(dialect: Dialect): Dialect {
  return {
    createAdapter: () => dialect.createAdapter(),
    createDriver: () => new GuardedDriver(dialect.createDriver()),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
  };
}
