/** Reading users: one, or those that the caller may list. */
import { type Page, page } from '@labmesh/store/page';
import type { Store } from '@labmesh/store/store';
import type { peopleQuerySchema, User } from '@labmesh/wire/fleet/resources/people';
import type { z } from 'zod';
import type { Condition } from '../../access/condition.ts';
import type { Caller } from '../caller.ts';
import { findUser, presentUser, presentUsers } from './user-rows.ts';

type UserQuery = z.output<typeof peopleQuerySchema>;

/** By id or name. @throws FleetError NOT_FOUND. */
export const getUser = (caller: Caller, store: Store, idOrName: string, now: number): Promise<User> =>
  store.read(caller.principal, async (db) => presentUser(db, await findUser(db, idOrName), now));

/** By name; `may` is the caller's right to list, as SQL. @throws FleetError VALIDATION_FAILED (cursor). */
export async function listUsers(
  caller: Caller,
  store: Store,
  query: UserQuery,
  options: { may: Condition; now: number },
): Promise<Page<User>> {
  if (options.may.none) return { items: [], nextCursor: null };
  const { limit, cursor, q } = query;
  return await store.read(caller.principal, async (db) => {
    let rows = db
      .selectFrom('users')
      .selectAll()
      .where(options.may.where({ name: 'users.name' }));
    // Names are lower case, so LIKE means the same on both engines; its wild cards are no part of a name.
    if (q !== undefined) rows = rows.where('name', 'like', `%${q.toLowerCase().replace(/[%\\]/g, '')}%`);
    const by = [{ column: 'name', type: 'text' }] as const;
    const { items, nextCursor } = await page(rows, { list: 'users', by, limit, cursor });
    return { items: await presentUsers(db, items, options.now), nextCursor };
  });
}
