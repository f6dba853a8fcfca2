/** Bastions, and their machines merged into one list. */
import { page } from '@labmesh/store/page';
import type { Store } from '@labmesh/store/store';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Policies } from '../../access/policies.ts';
import type { BastionHub } from '../../hub/bastion-hub.ts';
import { machineByMac } from '../../hub/machine-rows.ts';
import type { HandlersOf } from '../handler.ts';
import type { AnyCall } from './server-handlers.ts';

type Names = 'list-bastions' | 'list-machines' | 'act-on-machine' | 'forget-machine';

export type BastionHandlerParts = { store: Store; bastions: BastionHub; policies: Policies };

/** The machine that a path names, judged by its host name or MAC, and a bastion that listens now. */
async function machineFor(call: AnyCall, store: Store, verb: 'update' | 'delete') {
  const mac = (call.params['mac'] ?? '').toLowerCase().replaceAll('-', ':');
  const machine = await machineByMac(store, call.caller.principal, mac);
  call.may(verb, { kind: 'machines', name: machine?.hostname ?? mac });
  if (machine === undefined) throw new FleetError('NOT_FOUND', { message: `no bastion has reported a machine ${mac}` });
  call.note({ resource: `machine/${mac}`, resourceId: machine.id });
  return machine;
}

const away = (bastion: string) =>
  new FleetError('AGENT_NOT_CONNECTED', {
    message: `bastion/${bastion} is not connected to this labd`,
    hint: 'labctl get bastions',
  });

export function bastionHandlers({ store, bastions, policies }: BastionHandlerParts): HandlersOf<Names> {
  return {
    'act-on-machine': async (call) => {
      const { bastion_id: bastionId, bastion, mac } = await machineFor(call, store, 'update');
      const actionId = uuidv7();
      if (!bastions.desire(bastionId, { actionId, mac, ...call.body })) throw away(bastion);
      call.note({ details: { actionId, ...call.body } });
      return { actionId };
    },
    'forget-machine': async (call) => {
      const { id, bastion_id: bastionId, bastion, mac } = await machineFor(call, store, 'delete');
      if (!bastions.desire(bastionId, { actionId: uuidv7(), mac, action: 'forget' })) throw away(bastion);
      await store.write(call.caller.principal, (tx) => tx.deleteFrom('machines').where('id', '=', id).execute());
      return { ok: true };
    },
    'list-bastions': async (call) => {
      const { limit, cursor } = call.query;
      const may = policies.condition(call.subject, 'list', 'bastions').where({ name: 'bastions.name' });
      const found = await store.read(call.caller.principal, (db) =>
        page(db.selectFrom('bastions').selectAll().where(may), {
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
      // Judged by the name that actions on one are judged by.
      const may = policies.condition(call.subject, 'list', 'machines').where({ name: 'rows.judged' });
      const found = await store.read(call.caller.principal, (db) => {
        const rows = db
          .selectFrom('machines')
          .innerJoin('bastions', 'bastions.id', 'machines.bastion_id')
          .selectAll('machines')
          .select('bastions.name as bastion')
          .select((eb) => eb.fn.coalesce('machines.hostname', 'machines.mac').as('judged'));
        return page(db.selectFrom(rows.as('rows')).selectAll().where(may), {
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
