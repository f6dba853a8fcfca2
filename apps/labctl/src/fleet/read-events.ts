/**
 * Events page by page, and followed over cuts. The id of an event is a uuid v7, so "since a moment" is the smallest id of
 * that millisecond, and "after an event" is its id.
 */
import type { FleetEvent } from '@labmesh/wire/fleet/resources/records';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';

/** One request: what labd has after `since`, then its end or, followed, whatever comes. */
export type EventStream = (query: { since?: string; follow: 'true' | 'false' }) => AsyncIterable<FleetEvent>;

const retryMs = 2_000;

/** The smallest id that an event of this moment can have. */
export function idAt(iso: string): string {
  const hex = Math.max(0, Date.parse(iso)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/** All that are stored, oldest first; labd gives a page at a time. `since`: RFC 3339. */
export async function* pastEvents(ask: EventStream, since: string | undefined): AsyncGenerator<FleetEvent> {
  let cursor = since === undefined ? undefined : idAt(since);
  for (;;) {
    const from: string | undefined = cursor;
    for await (const event of ask({ ...(from !== undefined && { since: from }), follow: 'false' })) {
      yield event;
      cursor = event.id;
    }
    if (cursor === from) return;
  }
}

/** Whether waiting helps. A refused request is a CommandError; what cuts an answer that has begun is the system's error. */
function isPassing(error: unknown, isReached: boolean): error is Error {
  if (!(error instanceof Error)) return false;
  if (!(error instanceof CommandError)) return typeof (error as { code?: unknown }).code === 'string';
  return isReached && (error.exitCode === exitCodes.unreachable || error.exitCode === exitCodes.timeout);
}

export type Following = {
  ask: EventStream;
  since: string | undefined;
  show: (event: FleetEvent) => void;
  note: (text: string) => void;
  world: Pick<World, 'clock' | 'life'>;
};

/** Until the life of the process ends; a cut is mended where it was. @throws what the first request throws */
export async function followEvents({ ask, since, show, note, world }: Following): Promise<never> {
  const { clock, life } = world;
  // Without a start of its own labd's "now" would move at each cut, and what happened between would be lost.
  let cursor = idAt(since ?? new Date(clock.wall()).toISOString());
  let isReached = false;
  for (;;) {
    try {
      for await (const event of ask({ since: cursor, follow: 'true' })) {
        isReached = true;
        show(event);
        cursor = event.id;
      }
      isReached = true;
    } catch (error) {
      life.signal.throwIfAborted();
      if (!isPassing(error, isReached)) throw error;
      isReached = true;
      note(`${error.message}; going on from there`);
    }
    await clock.sleep(retryMs, life.signal);
  }
}
