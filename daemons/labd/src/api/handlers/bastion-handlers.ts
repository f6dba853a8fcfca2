/** Bastions, and their machines merged into one list. */
import { page } from '@labmesh/store/page';
import type { Store } from '@labmesh/store/store';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import type { HandlersOf } from '../handler.ts';

export function bastionHandlers({ store }: { store: Store }): HandlersOf<'list-bastions' | 'list-machines'> {
  return {
    'list-bastions': async (call) => {
      const { limit, cursor } = call.query;
      const found = await store.read(call.caller.principal, (db) =>
        page(db.selectFrom('bastions').selectAll(), {
          list: 'bastions',
          by: [{ column: 'name', type: 'text' }],
          limit,
          cursor,
        }),
      );
      const items = found.items.map((row) => ({
        id: row.id,
        name: row.name,
        url: row.url,
        lastSeenAt: timeTextOrNull(row.last_seen_at),
        createdAt: timeText(row.created_at),
      }));
      return { items, nextCursor: found.nextCursor };
    },
    'list-machines': async (call) => {
      const { limit, cursor } = call.query;
      const found = await store.read(call.caller.principal, (db) => {
        const rows = db
          .selectFrom('machines')
          .innerJoin('bastions', 'bastions.id', 'machines.bastion_id')
          .selectAll('machines')
          .select('bastions.name as bastion');
        return page(db.selectFrom(rows.as('rows')).selectAll(), {
          list: 'machines',
          by: [{ column: 'id', type: 'text' }],
          limit,
          cursor,
        });
      });
      const items = found.items.map(({ id, bastion, mac, hostname, role, state, updated_at: at }) => ({
        id,
        bastion,
        mac,
        hostname,
        role,
        state,
        updatedAt: timeText(at),
      }));
      return { items, nextCursor: found.nextCursor };
    },
  };
}
