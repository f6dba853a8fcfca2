/** Server-sent events (WHATWG HTML, section 9.2): their text, and answers made of them. */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

export const sseHeaders = { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' } as const;
/** After this long without an event a comment says that the stream lives: proxies end what is silent. */
export const commentEveryMs = 15_000;
export const stillHere = ': still here\n\n';
/** A seq for each chain of the audit log has room in it. */
const lastIdMax = 8 * 1024;
/** What fits the `id` line: anything else could begin a line of its own. */
const isPlainId = (id: string) => id.length <= lastIdMax && /^[\x20-\x7e]+$/.test(id);

export type SseEvent = { id?: string; event?: string; data: unknown };

/** One event. JSON has no line ends, so that no text can begin another field; an id that could is left out. */
export const sseEvent = ({ id, event, data }: SseEvent): string =>
  [
    ...(id !== undefined && isPlainId(id) ? [`id: ${id}`] : []),
    ...(event === undefined ? [] : [`event: ${event}`]),
    `data: ${JSON.stringify(data)}\n\n`,
  ].join('\n');

/** `Last-Event-ID` of a reader that comes back. @throws FleetError VALIDATION_FAILED */
export function lastEventId(headers: Headers): string | undefined {
  const id = headers.get('last-event-id') ?? '';
  if (id === '') return undefined;
  if (!isPlainId(id))
    throw new FleetError('VALIDATION_FAILED', { field: 'Last-Event-ID', message: 'Last-Event-ID is not one of ours' });
  return id;
}

/** An answer of texts as they are asked for: whoever does not read makes nothing. `gone`: the reader left. */
export function eventStreamOf(source: AsyncGenerator<string>, gone: () => void): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await source.next().catch(() => ({ done: true, value: undefined }) as const);
      if (next.done === true) return controller.close();
      controller.enqueue(encoder.encode(next.value));
    },
    cancel: gone,
  });
  return new Response(body, { headers: sseHeaders });
}
