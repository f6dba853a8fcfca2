import { system } from '@labmesh/wire/fleet/principal';
import { sql } from 'kysely';
import type { Store } from '../store.ts';
import { releases } from './migrate.ts';

const principal = system('migrate');
const known = releases.length;
const statements = releases.reduce((sum, list) => sum + list.length, 0);

/**
 * Whether this code can work on the schema as it stands now: all of its statements were applied, and nothing more than
 * one release on top of them. Both can change under a process that runs: an older backup that is put in its place, a
 * replica two releases ahead. @throws FleetError STORE_UNAVAILABLE
 */
export async function schemaFits(store: Pick<Store, 'read'>): Promise<boolean> {
  const found = await store.read(principal, (db) =>
    db
      .selectFrom('migrations')
      .select((eb) => [
        eb.fn.max('release').as('release'),
        sql<number | string>`count(case when id <= ${statements} then 1 end)`.as('applied'),
      ])
      .executeTakeFirst(),
  );
  return Number(found?.applied) === statements && Number(found?.release) <= known + 1;
}
