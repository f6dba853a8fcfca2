/**
 * A Kysely driver for bun:sqlite, which is synchronous: a statement runs to its end within one call. So that a long row
 * of statements does not hold the event loop (ST-5), the driver lets it turn after each 10 ms of work.
 */
import type { Database, Statement } from 'bun:sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';

const turnAfterMs = 10;
const statementsMax = 200;
const busyPollMs = 10;

/** `givesRows`: known from the start, the statement would count its columns at each look. */
type Known = { statement: Statement; givesRows: boolean };

/** Prepared statements by their text; the longest unused ones go first. */
class StatementCache {
  readonly #statements = new Map<string, Known>();
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(text: string): Known {
    const known = this.#statements.get(text);
    if (known !== undefined) {
      this.#statements.delete(text);
      this.#statements.set(text, known);
      return known;
    }
    const statement = this.#database.prepare(text);
    const made = { statement, givesRows: statement.columnNames.length > 0 };
    this.#statements.set(text, made);
    if (this.#statements.size > statementsMax) {
      const [oldest, unused] = this.#statements.entries().next().value as [string, Known];
      this.#statements.delete(oldest);
      unused.statement.finalize();
    }
    return made;
  }

  clear(): void {
    for (const { statement } of this.#statements.values()) statement.finalize();
    this.#statements.clear();
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #statements: StatementCache;
  #workedMs = 0;

  constructor(statements: StatementCache) {
    this.#statements = statements;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#workedMs > turnAfterMs) {
      this.#workedMs = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const start = performance.now();
    try {
      const { statement, givesRows } = this.#statements.get(sql);
      const values = parameters as never[];
      if (givesRows) return { rows: statement.all(...values) as R[] };
      const { changes, lastInsertRowid } = statement.run(...values);
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
    } finally {
      this.#workedMs += performance.now() - start;
    }
  }

  // oxlint-disable-next-line require-yield -- the shape is Kysely's
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new TypeError('rows are read in pages, not as a stream');
  }
}

/** Kysely's own mutex for engines of one connection is never given back when a driver refuses; ours is below that. */
class LentAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

export type BunSqliteOptions = {
  database: Database;
  /** How a transaction begins: writers take the lock at once, so that no upgrade can fail in the middle (ST-3). */
  begin: 'begin immediate' | 'begin';
  /** How long a begin waits for another process's lock, without holding the event loop. */
  busyWaitMs: number;
};

class BunSqliteDriver implements Driver {
  readonly #options: BunSqliteOptions;
  readonly #statements: StatementCache;
  readonly #connection: SqliteConnection;
  readonly #waiting: (() => void)[] = [];
  #lent = false;

  constructor(options: BunSqliteOptions) {
    this.#options = options;
    this.#statements = new StatementCache(options.database);
    this.#connection = new SqliteConnection(this.#statements);
  }

  async init(): Promise<void> {}

  /** One user after the other, in the order in which they came. */
  async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#lent) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#lent = true;
    return this.#connection;
  }

  /** Still lent when somebody waits: nobody may step in between. */
  async releaseConnection(): Promise<void> {
    const next = this.#waiting.shift();
    this.#lent = next !== undefined;
    next?.();
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    const { begin, busyWaitMs } = this.#options;
    const last = performance.now() + busyWaitMs;
    for (;;) {
      try {
        await connection.executeQuery(CompiledQuery.raw(begin));
        return;
      } catch (error) {
        const busy = (error as { code?: string }).code === 'SQLITE_BUSY';
        if (!busy || performance.now() >= last) throw error;
        await Bun.sleep(busyPollMs);
      }
    }
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A full disk rolls back by itself.
    if (this.#options.database.inTransaction) await connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  /** The database is its opener's to close: Kysely calls this only where a query was made. */
  async destroy(): Promise<void> {
    this.#statements.clear();
  }
}

export function bunSqliteDialect(options: BunSqliteOptions): Dialect {
  return {
    createAdapter: () => new LentAdapter(),
    createDriver: () => new BunSqliteDriver(options),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}
