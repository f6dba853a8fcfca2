/**
 * Events as server-sent events (`/api/events`). `Last-Event-ID` or `?since=` goes on after an event; each second asks the
 * store for newer ones, so that those of every replica come in one order, and whether the reader may still know. A
 * reader that does not read costs one page.
 */
import type { Store } from '@labmesh/store/store';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { FleetEvent } from '@labmesh/wire/fleet/resources/records';
import type { OperationOf } from '@labmesh/wire/fleet/operations';
import { uuidv7 } from '@labmesh/wire/ids';
import type { EventLog } from '../../events/event-log.ts';
import type { Policies, Target } from '../../access/policies.ts';
import type { FleetView } from '../../hub/fleet-view.ts';
import type { Call } from '../handler.ts';
import { commentEveryMs, eventStreamOf, sseEvent, stillHere } from './server-sent.ts';

const pollMs = 1_000;

export type EventStreamParts = { events: EventLog; policies: Policies; view: FleetView; store: Store };

const textIn = (details: unknown, field: 'name' | 'bastion'): string | undefined => {
  const text = ((details ?? {}) as Record<string, unknown>)[field];
  return typeof text === 'string' ? text : undefined;
};

type ByKind = (event: FleetEvent, principal: Principal, parts: EventStreamParts) => Promise<Target | undefined>;

/** The thing that an event tells of, by its resource; undefined: it is gone, and with it who may know. */
const targets: Readonly<Record<string, ByKind>> = {
  server: async ({ resourceId }, principal, { view }) => {
    const server = await view.find(principal, resourceId);
    return server && { kind: 'servers', name: server.row.hostname, labels: server.targetLabels };
  },
  // Judged as in the list of machines; two bastions may know one address by different names.
  machine: async ({ resourceId, details }, principal, { store }) => {
    const row = await store.read(principal, (db) =>
      db
        .selectFrom('machines')
        .innerJoin('bastions', 'bastions.id', 'machines.bastion_id')
        .select('machines.hostname')
        .where('machines.mac', '=', resourceId)
        .where('bastions.name', '=', textIn(details, 'bastion') ?? '')
        .executeTakeFirst(),
    );
    return { kind: 'machines', name: row?.hostname ?? resourceId };
  },
  // A peer, also one that was removed; or `hub` and `device`.
  tunnel: async ({ resourceId }, principal, { store }) => {
    const row = await store.read(principal, (db) =>
      db.selectFrom('tunnel_peers').select('name').where('id', '=', resourceId).executeTakeFirst(),
    );
    return { kind: 'tunnels', name: row?.name ?? resourceId };
  },
  node: async ({ resourceId, details }) => ({ kind: 'nodes', name: textIn(details, 'name') ?? resourceId }),
  certificate: async ({ resourceId, details }) => ({
    kind: 'certificates',
    name: textIn(details, 'name') ?? resourceId,
  }),
  ca: async () => ({ kind: 'ca' }),
};

/** Only what the caller may list (AP-3), each by its own kind and name; of labd itself for whoever may see that. */
async function visible(
  events: readonly FleetEvent[],
  { subject, caller }: Call<OperationOf<'stream-events'>>,
  parts: EventStreamParts,
): Promise<FleetEvent[]> {
  const { policies } = parts;
  const shown: FleetEvent[] = [];
  for (const event of events) {
    const find = Object.hasOwn(targets, event.resource) ? targets[event.resource] : undefined;
    const target = await find?.(event, caller.principal, parts);
    const mayKnow =
      find === undefined
        ? policies.decide(subject, 'get', { kind: 'system' }).allowed
        : target !== undefined && policies.decide(subject, 'list', target).allowed;
    if (mayKnow) shown.push(event);
  }
  return shown;
}

const frame = (event: FleetEvent) => sseEvent({ id: event.id, event: event.type, data: event });

export function eventStream(call: Call<OperationOf<'stream-events'>>, parts: EventStreamParts): Response {
  let cursor = call.headers.get('last-event-id') ?? call.query.since ?? uuidv7();
  const ended = new AbortController();
  const signal = AbortSignal.any([call.signal, ended.signal]);
  async function* lines(): AsyncGenerator<string> {
    let quietSince = performance.now();
    yield ': labmesh events\n\n';
    for (;;) {
      if (!(await call.stillMay())) return;
      const found = await parts.events.since(call.caller.principal, cursor);
      cursor = found.at(-1)?.id ?? cursor;
      for (const event of await visible(found, call, parts)) {
        quietSince = performance.now();
        yield frame(event);
      }
      if (!call.query.follow || signal.aborted) return;
      if (performance.now() - quietSince > commentEveryMs) {
        quietSince = performance.now();
        yield stillHere;
      }
      await Bun.sleep(pollMs);
    }
  }
  return eventStreamOf(lines(), () => ended.abort());
}
