/**
 * SQLite (ST-1): WAL, synchronous=FULL, foreign keys. Writes go through one connection, one after the other, each
 * BEGIN IMMEDIATE; reads through a second, read-only one, which sees what is committed; a snapshot has its own. A
 * database in memory has only the first: its reads wait for the transaction in front of them.
 */
import { Database } from 'bun:sqlite';
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { CompiledQuery, Kysely } from 'kysely';
import type { Engine } from '../engine.ts';
import { guarded } from '../guarded-driver.ts';
import type { Tables } from '../tables.ts';
import { bunSqliteDialect } from './bun-sqlite-driver.ts';
import { ownFile } from './file-owner.ts';

/** ST-1's busy_timeout. The writer waits for it in turns, see beginTransaction: SQLite's own wait holds the loop. */
const busyTimeoutMs = 5_000;
const walBytesMax = 64 * 1024 * 1024;

const kyselyOn = (database: Database, begin: 'begin immediate' | 'begin') =>
  new Kysely<Tables>({ dialect: guarded(bunSqliteDialect({ database, begin, busyWaitMs: busyTimeoutMs })) });

/** LIKE minds the case, as PostgreSQL's does. */
function configure(database: Database): void {
  database.run(`pragma busy_timeout = ${busyTimeoutMs}`);
  database.run('pragma foreign_keys = on');
  database.run('pragma case_sensitive_like = on');
  database.run('pragma temp_store = memory');
}

function openWriter(file: string): Database {
  // Made first, and private: SQLite gives its -wal and -shm the mode of the database.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  const database = new Database(file, { readwrite: true });
  configure(database);
  database.run('pragma journal_mode = wal');
  database.run('pragma synchronous = full');
  database.run(`pragma journal_size_limit = ${walBytesMax}`);
  database.run('pragma busy_timeout = 0');
  return database;
}

function openReader(file: string): Database {
  const database = new Database(file, { readonly: true });
  configure(database);
  return database;
}

/** A transaction on one snapshot over a connection of its own. */
async function snapshotOn(database: Database): ReturnType<Engine['startSnapshot']> {
  const kysely = kyselyOn(database, 'begin');
  const transaction = await kysely.startTransaction().execute();
  // SQLite takes the snapshot at the first read.
  await transaction.executeQuery(CompiledQuery.raw('select count(*) from sqlite_master'));
  return { transaction, close: () => kysely.destroy().then(() => database.close()) };
}

/** A copy in memory as it was at the last commit. */
async function copyOf(writer: Kysely<Tables>, database: Database): Promise<Database> {
  // The connection is lent to one after the other: between two transactions, never inside one.
  const bytes = await writer.connection().execute(() => Promise.resolve(database.serialize()));
  return Database.deserialize(bytes, { readonly: true });
}

/**
 * Opens the file, making it and its folder (0700) when they are missing; without a file, a database in memory.
 *
 * @throws StoreStartError STORE_IN_USE; SQLiteError when the file cannot be opened or is no database.
 */
export async function openSqlite(file: string | undefined): Promise<Engine> {
  if (file !== undefined) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  using stack = new DisposableStack();
  const closed = (database: Database) => stack.adopt(database, (one) => one.close());
  if (file !== undefined) stack.use(await ownFile(file));
  // Closed in reverse: the last to go writes the WAL back, so it must be the one that may write.
  const main = closed(file === undefined ? new Database(':memory:') : openWriter(file));
  if (file === undefined) configure(main);
  const writer = kyselyOn(main, 'begin immediate');
  const reader = file === undefined ? writer : kyselyOn(closed(openReader(file)), 'begin');
  const open = stack.move();
  return {
    name: 'sqlite',
    reader,
    writer,
    async startSnapshot() {
      return snapshotOn(file === undefined ? await copyOf(writer, main) : openReader(file));
    },
    async ddl(text) {
      // Without a sync for each: a statement that a power cut undoes is done again, and the next commit syncs all before.
      await writer.connection().execute(async (one) => {
        main.run('pragma synchronous = normal');
        try {
          await one.executeQuery(CompiledQuery.raw(text));
        } finally {
          main.run('pragma synchronous = full');
        }
      });
    },
    async close() {
      await reader.destroy();
      await writer.destroy();
      open.dispose();
    },
  };
}

/**
 * Opens the file for reading only, beside the store of the same process that owns it: for another thread. That store
 * is closed after this one.
 *
 * @throws SQLiteError when there is no such file, or it is no database.
 */
export function openSqliteReader(file: string): Engine {
  const database = openReader(file);
  const reader = kyselyOn(database, 'begin');
  return {
    name: 'sqlite',
    reader,
    writer: reader,
    startSnapshot: () => snapshotOn(openReader(file)),
    ddl: () => Promise.reject(new TypeError('this store only reads')),
    async close() {
      await reader.destroy();
      database.close();
    },
  };
}
