import { parseJson } from '@labmesh/kit/parse-json';
import { eventSchema, type FleetEvent } from '@labmesh/wire/fleet/resources/records';
import { readSse } from '../../client/read-sse.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { type EventStream, followEvents, pastEvents } from '../../fleet/read-events.ts';
import { parseInstant } from '../../grammar/instant.ts';
import { safeText } from '../../terminal/safe-text.ts';

/** `12:00:00 server-enrolled  server/ID  hostname=web-1`. */
function eventLine({ at, type, resource, resourceId, details }: FleetEvent): string {
  const facts = Object.entries((details ?? {}) as Readonly<Record<string, unknown>>).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return safeText(
    `${at.slice(0, 19).replace('T', ' ')}  ${type}  ${resource}/${resourceId}  ${facts.join(' ')}`,
  ).trimEnd();
}

/**
 * The events of 2.2: what happened by itself. They are told, not promised; what people did stands in the audit log.
 */
export const events = defineFleetCommand({
  name: 'events',
  summary:
    'Shows what happened in the fleet: servers that joined, agents that came or were lost, certificates that end. Without ' +
    '-f those of the last hour; they are kept for a week. For what people did, see audit list.',
  usage: 'labctl events [-f] [--since TIME] [-o FORM]',
  examples: ['labctl events -f', 'labctl events --since 1d -o ndjson'],
  options: {
    follow: { type: 'boolean', flag: 'follow', short: 'f', default: false, help: 'go on with what happens from now' },
    since: { type: 'string', flag: 'since', placeholder: 'TIME', help: 'from then on: 2h, or 2026-01-01T12:00:00Z' },
  },
  positionalsMax: 0,
  async run({ values, labd, result, world, note }) {
    const now = world.clock.wall();
    const given = values.since ?? (values.follow ? undefined : '1h');
    const since = given === undefined ? undefined : parseInstant(given, { flag: '--since', spans: 'ago', now });
    const client = await labd();
    const ask: EventStream = async function* ask(query) {
      for await (const data of readSse(await client.stream('stream-events', { query }))) {
        const event = eventSchema.safeParse(parseJson(data)).data;
        if (event !== undefined) yield event;
      }
    };
    const { format } = result.options;
    const show = (event: FleetEvent) =>
      world.stdout(`${format === 'table' || format === 'wide' ? eventLine(event) : JSON.stringify(event)}\n`);
    if (values.follow) return followEvents({ ask, since, show, note, world });
    let count = 0;
    for await (const event of pastEvents(ask, since)) {
      show(event);
      count++;
    }
    if (count === 0) note('nothing happened');
  },
});
