/**
 * PostgreSQL and CockroachDB by `pg` (ST-1). Every wait has an end: for a connection, for a statement (on the server,
 * and here for a server that fell silent), for a transaction left idle. A client whose answer never came is destroyed,
 * so that nobody reads the late answer as his own.
 */
import { Kysely, CompiledQuery, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import type { Logger } from '@labmesh/kit/log';
import { Pool, types as pgTypes, type CustomTypesConfig, type PoolClient } from 'pg';
import type { Engine } from '../engine.ts';
import { guarded } from '../guarded-driver.ts';
import type { Tables } from '../tables.ts';

export type PostgresLimits = {
  poolMax: number;
  /** For a connection, free or new. */
  connectTimeoutMs: number;
  statementTimeoutMs: number;
  /** A little more than the statement's, which the server keeps: normally the server says it. */
  answerTimeoutMs: number;
};
const usual: PostgresLimits = {
  poolMax: 10,
  connectTimeoutMs: 5_000,
  statementTimeoutMs: 10_000,
  answerTimeoutMs: 12_000,
};
const ddlTimeoutMs = 3_600_000;
const idleInTransactionMs = 30_000;

/** int8 and numeric (sums) are numbers here, booleans 0 or 1 as in SQLite. Counts and times stay below 2^53. */
const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  20: Number,
  1700: Number,
  16: (text) => (text === 't' ? 1 : 0),
};
/** Ours, and pg's own for whatever else there is. */
const types: CustomTypesConfig = {
  getTypeParser: (oid: Parameters<typeof pgTypes.getTypeParser>[0], format?: 'text' | 'binary') =>
    parsers[oid] ?? pgTypes.getTypeParser(oid, format),
};

const isDdl = (text: string) => /^\s*(create|alter|drop)\b/i.test(text);

/** pg's client as Kysely knows it, lent until its release, with the time limit of each statement. */
function lend(client: PoolClient, answerTimeoutMs: number): PostgresPoolClient {
  const query = async (text: string, values?: readonly unknown[]) => {
    const timeout = isDdl(text) ? ddlTimeoutMs : answerTimeoutMs;
    try {
      return await client.query({ text, values: values as unknown[], query_timeout: timeout } as { text: string });
    } catch (error) {
      // Its query is still under way, so the client can take no other, not even a rollback.
      if (error instanceof Error && error.message === 'Query read timeout') {
        void (client as unknown as { end(): Promise<void> }).end().catch(() => {});
      }
      throw error;
    }
  };
  return { query, release: (destroy?: boolean) => client.release(destroy) } as unknown as PostgresPoolClient;
}

function openPool(url: string, log: Logger, limits: PostgresLimits): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: 'labmesh',
    max: limits.poolMax,
    connectionTimeoutMillis: limits.connectTimeoutMs,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: limits.statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    types,
  });
  // When a connection breaks between two statements the next one tells; unheard, the event would end the process.
  pool.on('connect', (client) => void client.on('error', () => {}));
  // An idle connection that breaks is dropped by the pool; the next query makes another.
  pool.on('error', (error) => log.debug('a database connection was lost', { reason: error.message }));
  return pool;
}

/** Makes no connection yet: the first query does. `limits` are for tests. */
export function openPostgres(url: string, log: Logger, limits: Partial<PostgresLimits> = {}): Engine {
  const all = { ...usual, ...limits };
  const pool = openPool(url, log, all);
  const lent: PostgresPool = {
    options: pool.options,
    connect: async () => lend(await pool.connect(), all.answerTimeoutMs),
    end: () => pool.end(),
  };
  const kysely = new Kysely<Tables>({ dialect: guarded(new PostgresDialect({ pool: lent })) });
  return {
    name: 'postgres',
    reader: kysely,
    writer: kysely,
    async startSnapshot() {
      const begin = kysely.startTransaction().setIsolationLevel('repeatable read').setAccessMode('read only');
      const transaction = await begin.execute();
      // Whoever reads a whole store may be held up by whoever takes it, a disk or a slow reader.
      const text = `select set_config('idle_in_transaction_session_timeout', '1h', true)`;
      await transaction.executeQuery(CompiledQuery.raw(text));
      return { transaction, close: () => Promise.resolve() };
    },
    async ddl(text) {
      await kysely.connection().execute(async (one) => {
        await one.executeQuery(CompiledQuery.raw('set statement_timeout = 0'));
        try {
          await one.executeQuery(CompiledQuery.raw(text));
        } finally {
          await one
            .executeQuery(CompiledQuery.raw(`set statement_timeout = ${all.statementTimeoutMs}`))
            .catch(() => {});
        }
      });
    },
    async close() {
      await kysely.destroy();
      if (!pool.ending) await pool.end();
    },
  };
}
