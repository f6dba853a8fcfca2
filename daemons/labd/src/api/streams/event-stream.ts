/**
 * Events as server-sent events (`/api/events`). `Last-Event-ID` or `?since=` goes on after an event; each second asks the
 * store for newer ones, so that those of every replica come in one order, and whether the reader may still know. A
 * reader that does not read costs one page.
 */
import type { FleetEvent } from '@labmesh/wire/fleet/resources/records';
import type { OperationOf } from '@labmesh/wire/fleet/operations';
import { uuidv7 } from '@labmesh/wire/ids';
import type { EventLog } from '../../events/event-log.ts';
import type { Policies } from '../../access/policies.ts';
import type { FleetView } from '../../hub/fleet-view.ts';
import type { Call } from '../handler.ts';
import { commentEveryMs, eventStreamOf, sseEvent, stillHere } from './server-sent.ts';

const pollMs = 1_000;

export type EventStreamParts = { events: EventLog; policies: Policies; view: FleetView };

/** Only what the caller may list: events of servers it must not see are left out. */
async function visible(
  events: readonly FleetEvent[],
  call: Call<OperationOf<'stream-events'>>,
  { policies, view }: EventStreamParts,
): Promise<FleetEvent[]> {
  const shown: FleetEvent[] = [];
  for (const event of events) {
    if (event.resource !== 'server') {
      if (policies.decide(call.subject, 'get', { kind: 'system' }).allowed) shown.push(event);
      continue;
    }
    const server = await view.find(call.caller.principal, event.resourceId);
    if (server === undefined) continue;
    const target = { kind: 'servers', name: server.row.hostname, labels: server.targetLabels } as const;
    if (policies.decide(call.subject, 'list', target).allowed) shown.push(event);
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
