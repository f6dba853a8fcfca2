/**
 * Leases (RP-2): a row that one owner holds until it runs out, renews or gives it back. They choose who prunes, signs
 * or migrates. A holder that stalls past its time can find another beside it, so what it does must bear that.
 */
import { systemClock } from '@labmesh/kit/clock';
import { system } from '@labmesh/wire/fleet/principal';
import { type RawBuilder, sql } from 'kysely';
import type { Store } from './store.ts';

type LeaseTable = 'leases' | 'migration_lock';

/** Unix ms on the clock that all holders share: the database's, or the one a test put in its place. */
export function sharedNow(store: Store): RawBuilder<number> {
  if (store.engine === 'postgres' && store.clock === systemClock) {
    return sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`;
  }
  return sql<number>`cast(${store.clock.wall()} as bigint)`;
}

/** takeLease on either of the tables that have its shape. */
export async function takeRow(
  store: Store,
  table: LeaseTable,
  name: string,
  owner: string,
  ttlMs: number,
): Promise<boolean> {
  const now = sharedNow(store);
  const taken = await store.write(system(`lease ${name}`), (tx) =>
    tx
      .insertInto(table)
      .values({ name, owner, expires_at: sql<number>`${now} + ${sql.lit(Math.round(ttlMs))}` })
      .onConflict((on) =>
        on
          .column('name')
          .doUpdateSet((row) => ({ owner: row.ref('excluded.owner'), expires_at: row.ref('excluded.expires_at') }))
          .where((row) =>
            row.or([row(row.ref(`${table}.owner`), '=', owner), row(row.ref(`${table}.expires_at`), '<=', now)]),
          ),
      )
      .returning('owner')
      .executeTakeFirst(),
  );
  return taken !== undefined;
}

/** releaseLease on either table. */
export async function releaseRow(store: Store, table: LeaseTable, name: string, owner: string): Promise<void> {
  await store.write(system(`lease ${name}`), (tx) =>
    tx.deleteFrom(table).where('name', '=', name).where('owner', '=', owner).execute(),
  );
}

/**
 * Takes or renews the lease for `ttlMs` from now. True when `owner` holds it afterwards.
 *
 * @throws FleetError STORE_UNAVAILABLE, STORE_CONFLICT.
 */
export const takeLease = (store: Store, name: string, owner: string, ttlMs: number): Promise<boolean> =>
  takeRow(store, 'leases', name, owner, ttlMs);

/** Gives the lease back before its time; nothing happens when another holds it. */
export const releaseLease = (store: Store, name: string, owner: string): Promise<void> =>
  releaseRow(store, 'leases', name, owner);
