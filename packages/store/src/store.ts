/**
 * The store: one typed door to SQLite or PostgreSQL/CockroachDB.
 *
 *     store.read(principal, (db) => db.selectFrom('servers').selectAll().execute())
 *     store.write(principal, async (tx) => { … })      one SERIALIZABLE transaction, repeated on 40001 / SQLITE_BUSY
 *
 * The function given to `write` may run more than once: it has no effect outside the transaction (ST-3). Both refuse
 * to work without a principal; who may do what was decided before.
 *
 * Rules that hold on both engines, so that what works on one works on the other:
 * - inside `write` only its `tx` is used; a `read` or `write` made in there comes after it, and awaited in there it is
 *   a TypeError after 2 s (it would wait for itself);
 * - after a statement has failed its transaction is lost: later statements fail alike and nothing is committed.
 *   What may stand already is written with `on conflict`;
 * - each statement of a `read` sees what was committed when it began; what must agree is one statement or a snapshot;
 * - `db` and `tx` end with the call that gave them.
 */
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { Clock } from '@labmesh/kit/clock';
import type { Kysely, Transaction } from 'kysely';
import type { Tables } from './tables.ts';

export type Reader = Kysely<Tables>;
export type Writer = Transaction<Tables>;

/** A read-only transaction over everything as it was at one moment, until disposed. */
export interface Snapshot extends AsyncDisposable {
  readonly db: Reader;
}

export interface Store extends AsyncDisposable {
  readonly engine: 'sqlite' | 'postgres';
  readonly clock: Clock;
  /** Transactions and reads that were done again since the store was opened (ST-3). */
  readonly retries: number;
  /** Where another thread of this process opens a second door to read (`openReadStore`); undefined when nobody can. */
  readonly besideUrl?: string | undefined;
  /** @throws FleetError STORE_UNAVAILABLE when the database is away, TypeError without a principal. */
  read<T>(principal: Principal, query: (db: Reader) => Promise<T>): Promise<T>;
  /**
   * @throws FleetError STORE_CONFLICT after 8 tries, STORE_UNAVAILABLE (when the connection broke at the commit, the
   *   rows may stand all the same). Errors that `work` throws roll back and pass through.
   */
  write<T>(principal: Principal, work: (tx: Writer) => Promise<T>): Promise<T>;
  /** For what reads much: backups. Holds up no writer. @throws FleetError STORE_UNAVAILABLE. */
  snapshot(principal: Principal): Promise<Snapshot>;
  /** Round trip of the smallest query, ms. @throws FleetError STORE_UNAVAILABLE. */
  ping(): Promise<number>;
}
