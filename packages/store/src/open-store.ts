/**
 * Opens a store by its URL (ST-1): `sqlite:///absolute/path` (taken as it is written), `sqlite::memory:`,
 * `postgresql://…` (PostgreSQL or CockroachDB).
 *
 * A PostgreSQL that is away when labd starts (LD-7): `openStore` rejects with STORE_UNAVAILABLE and leaves nothing
 * open; `awaitStore` tries again until it is there. A store once opened lives through outages: calls meanwhile give
 * STORE_UNAVAILABLE, later ones work.
 */
import { type Clock, systemClock } from '@labmesh/kit/clock';
import { type Logger, silentLogger } from '@labmesh/kit/log';
import { backoff } from '@labmesh/kit/retry';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Engine } from './engine.ts';
import { faultPlan, type InjectFaults } from './faults.ts';
import { migrate } from './schema/migrate.ts';
import { SqlStore } from './sql-store.ts';
import { openSqlite, openSqliteReader } from './sqlite/sqlite-engine.ts';
import { asStoreError } from './store-errors.ts';
import { storePlace } from './store-url.ts';

export type StoreOptions = {
  url: string;
  log?: Logger;
  /** For leases and nothing else. On PostgreSQL the real clock is the database's, since replicas' clocks differ. */
  clock?: Clock;
  /** Bring the schema up to date. Default true. */
  migrate?: boolean;
  /** For tests (ST-3): each write transaction runs again, or what a plan of your own says. */
  injectFaults?: InjectFaults;
};

/** Of a second door: one reads, one is not held up by a statement that waits. */
const readersMax = 2;

async function openEngine(url: string, log: Logger): Promise<Engine> {
  const place = storePlace(url);
  if (place.engine !== 'postgres') return openSqlite(place.engine === 'memory' ? undefined : place.path);
  // Its driver takes as long to load as an SQLite file to open.
  const { openPostgres } = await import('./postgres/postgres-engine.ts');
  return openPostgres(place.url, log);
}

/**
 * @throws FleetError STORE_UNAVAILABLE when the database is away; StoreStartError STORE_URL_INVALID (exit 3),
 *   STORE_IN_USE (75), SCHEMA_NEWER (78).
 */
export async function openStore(options: StoreOptions): Promise<SqlStore> {
  const { url, log = silentLogger, clock = systemClock } = options;
  let engine: Engine;
  try {
    engine = await openEngine(url, log);
  } catch (error) {
    throw asStoreError(error);
  }
  const besideUrl = storePlace(url).engine === 'memory' ? undefined : url;
  const store = new SqlStore({ engine, clock, besideUrl, faults: faultPlan(options.injectFaults) });
  try {
    await store.ping();
    if (options.migrate !== false) await migrate(store, { log });
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Opens the store as soon as its database is there: tries each 1 to 30 s (LD-7) until the signal ends it.
 *
 * @throws StoreStartError, which waiting does not mend; the signal's reason.
 */
export async function awaitStore(options: StoreOptions, signal: AbortSignal): Promise<SqlStore> {
  const { log = silentLogger, clock = systemClock } = options;
  for (const waitMs of backoff({ firstMs: 1_000, capMs: 30_000, jitter: 0.25 })) {
    signal.throwIfAborted();
    try {
      return await openStore(options);
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      log.warn('the database is away; trying again', { waitMs, reason: error.log });
    }
    await clock.sleep(Math.max(1_000, waitMs), signal);
  }
  throw new TypeError('the waits do not end');
}

/**
 * A second door to a store that is open in this process (its `besideUrl`), to read only: another thread does with it what would hold the
 * event loop (ST-5). SQLite has one owner; this one is its guest and is closed before it.
 *
 * @throws FleetError STORE_UNAVAILABLE when the file cannot be opened (a PostgreSQL that is away tells it at the first
 *   read); TypeError for a database in memory, which belongs to its connection.
 */
export async function openReadStore(url: string): Promise<SqlStore> {
  const place = storePlace(url);
  if (place.engine === 'memory') throw new TypeError('a database in memory has no second door');
  let engine: Engine;
  try {
    if (place.engine === 'sqlite') engine = openSqliteReader(place.path);
    else {
      const { openPostgres } = await import('./postgres/postgres-engine.ts');
      engine = openPostgres(place.url, silentLogger, { poolMax: readersMax });
    }
  } catch (error) {
    throw asStoreError(error);
  }
  return new SqlStore({ engine, clock: systemClock });
}
