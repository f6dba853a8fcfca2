/**
 * Migrations in code (ST-4). Each is one DDL statement, run by itself and harmless when run again, so that a migrator
 * may die between any two. One migrates at a time: a lock row with owner and lease; whoever waits takes over when the
 * lease runs out.
 *
 * Releases: each list of `releases` is a generation of the schema. A release only expands what the one before knows
 * and contracts what that one had stopped using, so code of release N works on schemas N and N+1 (labd N-1 beside labd
 * N); on anything newer it stops with SCHEMA_NEWER.
 */
import { type Logger, silentLogger } from '@labmesh/kit/log';
import { system } from '@labmesh/wire/fleet/principal';
import { releaseRow, takeRow } from '../lease.ts';
import type { SqlStore } from '../sql-store.ts';
import { faultKind, isUniqueViolation, StoreStartError, storeUnavailable } from '../store-errors.ts';
import { release1 } from './release-1.ts';
import { release2 } from './release-2.ts';
import { release3 } from './release-3.ts';
import { release4 } from './release-4.ts';

/** Lists are added at the end; one that was released never changes. */
export const releases: readonly (readonly string[])[] = [release1, release2, release3, release4];

const principal = system('migrate');
const lockName = 'schema';
const pollMs = 250;
const notedAtOnce = 12;
/** Longer than any migration that a person would wait for. */
const lockWaitMaxMs = 600_000;

export type MigrateOptions = {
  log?: Logger;
  /** Life of the lock, renewed at a third of it. Shorter in tests only. */
  leaseMs?: number;
  /** In place of the real ones, in tests. */
  releases?: readonly (readonly string[])[];
};

type Step = { id: number; release: number; ddl: string };

const stepsOf = (lists: readonly (readonly string[])[]): Step[] =>
  lists
    .flatMap((list, at) => list.map((ddl) => ({ release: at + 1, ddl })))
    .map((step, at) => ({ id: at + 1, ...step }));

/** Made before there is a lock to hold. */
const bootstrap = [
  `create table if not exists migrations (id bigint not null primary key, release bigint not null,
   applied_at bigint not null)`,
  `create table if not exists migration_lock (name text not null primary key, owner text not null,
   expires_at bigint not null)`,
];

/** The statement's work stands already: table, column, or what another made at the same moment. */
function isDone(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  if (['42P07', '42701', '42710', '42P06'].includes(code ?? '')) return true;
  return isUniqueViolation(error) || /duplicate column name|already exists/i.test(message ?? '');
}

/** Runs one statement; a conflict with another migrator's schema change is tried again. */
async function runDdl(store: SqlStore, ddl: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.ddl(ddl);
    } catch (error) {
      if (isDone(error)) return;
      const kind = faultKind(error);
      if (kind === 'away') throw storeUnavailable(error);
      if (kind === 'other' || attempt === 8) throw error;
      await Bun.sleep(Math.random() * 10 * 2 ** attempt);
    }
  }
}

/** @throws StoreStartError SCHEMA_NEWER (exit 78). */
function refuseNewer(found: number, known: number): void {
  if (found <= known + 1) return;
  const hint = 'start the release that wrote it, or restore a backup';
  throw new StoreStartError('SCHEMA_NEWER', `the database has schema release ${found}, this is ${known}; ${hint}`);
}

async function pendingSteps(store: SqlStore, lists: readonly (readonly string[])[]): Promise<Step[]> {
  const applied = await store.read(principal, (db) => db.selectFrom('migrations').select(['id', 'release']).execute());
  refuseNewer(Math.max(0, ...applied.map((one) => one.release)), lists.length);
  const done = new Set(applied.map((one) => one.id));
  return stepsOf(lists).filter((step) => !done.has(step.id));
}

const record = (store: SqlStore, steps: readonly Step[]): Promise<unknown> =>
  store.write(principal, (tx) =>
    tx
      .insertInto('migrations')
      .values(steps.map(({ id, release }) => ({ id, release, applied_at: store.clock.wall() })))
      .onConflict((on) => on.column('id').doNothing())
      .execute(),
  );

/** Applies steps while `held` is true. They are noted by the dozen: what was not noted is harmless to do again. */
async function apply(store: SqlStore, steps: readonly Step[], held: () => boolean): Promise<void> {
  let done: Step[] = [];
  try {
    for (const step of steps) {
      if (!held()) return;
      await runDdl(store, step.ddl);
      done.push(step);
      if (done.length < notedAtOnce) continue;
      await record(store, done);
      done = [];
    }
  } finally {
    if (done.length > 0) await record(store, done);
  }
}

/** Applies what is pending under the lock, which is renewed meanwhile. */
async function applyLocked(store: SqlStore, options: MigrateOptions, owner: string, leaseMs: number): Promise<void> {
  let held = true;
  const renew = async () => {
    held = await takeRow(store, 'migration_lock', lockName, owner, leaseMs).catch(() => held);
  };
  const timer = setInterval(() => void renew(), leaseMs / 3);
  try {
    await apply(store, await pendingSteps(store, options.releases ?? releases), () => held);
  } finally {
    clearInterval(timer);
    await releaseRow(store, 'migration_lock', lockName, owner).catch(() => {});
  }
}

/** An SQLite file has one owner (ST-5): a lock that stands in it was left by a process that died. */
async function breakDeadLock(store: SqlStore): Promise<void> {
  if (store.engine !== 'sqlite') return;
  await store.write(principal, (tx) => tx.deleteFrom('migration_lock').execute());
}

/**
 * Brings the schema up to date. Any number of processes may call it at once: one works, the others wait for it.
 *
 * @throws StoreStartError SCHEMA_NEWER (exit 78); FleetError STORE_UNAVAILABLE, also when another process holds the
 *   lock for more than 10 minutes; the database's error when a statement is wrong.
 */
export async function migrate(store: SqlStore, options: MigrateOptions = {}): Promise<void> {
  const { log = silentLogger, leaseMs = 60_000 } = options;
  const owner = `${process.pid}-${crypto.randomUUID()}`;
  const last = performance.now() + lockWaitMaxMs;
  for (const ddl of bootstrap) await runDdl(store, ddl);
  await breakDeadLock(store);
  for (;;) {
    const pending = await pendingSteps(store, options.releases ?? releases);
    if (pending.length === 0) return;
    if (await takeRow(store, 'migration_lock', lockName, owner, leaseMs)) {
      log.info('changing the schema', { statements: pending.length });
      await applyLocked(store, options, owner, leaseMs);
    } else if (performance.now() > last) {
      throw storeUnavailable(new Error('another process holds the migration lock'));
    } else {
      await Bun.sleep(pollMs * (0.5 + Math.random()));
    }
  }
}
