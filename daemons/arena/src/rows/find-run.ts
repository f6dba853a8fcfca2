/**
 * A run by any name that its tenant has for it: its own id, or that of the request it looks at, which is all that a client
 * of audit and shadow is told (gateway G-31, verification RP6).
 */
import type { Tables } from '@labmesh/store/tables';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { Selectable } from 'kysely';

const who = system('arena-runs');

/** Undefined when the tenant has none; where two are meant, the one with this very id. */
export async function findRun(
  store: Store,
  tenant: string,
  id: string,
): Promise<Selectable<Tables['arena_runs']> | undefined> {
  const found = await store.read(who, (db) =>
    db
      .selectFrom('arena_runs')
      .selectAll()
      .where('tenant', '=', tenant)
      .where((where) => where.or([where('id', '=', id), where('request_id', '=', id)]))
      .limit(2)
      .execute(),
  );
  return found.find((row) => row.id === id) ?? found[0];
}
