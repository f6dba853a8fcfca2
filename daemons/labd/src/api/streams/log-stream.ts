/**
 * Lines of a server's log as server-sent events (`/api/logs/server/:id`, LG-1 … LG-3):
 *
 *     agent ── NDJSON, credits ──► relay ──► inner channel ──► `id: <cursor>` `data: <line>` ──► reader
 *
 * Credit goes back when the reader has taken the bytes, so that a slow one slows the agent, and what is dropped then is
 * dropped and counted there. Each event's id is the cursor of its line: a reader that comes back with it as
 * Last-Event-ID goes on behind that line. An ending for good is told as the event `end`; where it is worth coming back
 * the stream only stops, which an EventSource answers by coming back.
 */
import type { ChannelEnding } from '@labmesh/link/channel';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import { LogLineReader } from '@labmesh/wire/frame/log-line-reader';
import type { LogLine, OpenOf } from '@labmesh/wire/frame/open';
import type { OperationOf } from '@labmesh/wire/fleet/operations';
import { logTailDefault } from '@labmesh/wire/fleet/resources/logs';
import type { Call } from '../handler.ts';
import type { InnerChannel } from './inner-channel.ts';
import { commentEveryMs, lastEventId, sseEvent, sseHeaders, stillHere } from './server-sent.ts';

type LogCall = Call<OperationOf<'stream-server-log'>>;

const ms = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));

/** What to ask of the agent. Behind a line that was shown neither a number of old lines nor a time counts any more. */
export function openOfQuery(server: string, query: LogCall['query'], headers: Headers): OpenOf<'logs'> {
  const { follow, unit, file, grep, level } = query;
  const cursor = lastEventId(headers);
  const [since, until] = [ms(query.since), ms(query.until)];
  const tail = query.tail ?? (since === undefined ? logTailDefault : undefined);
  return {
    kind: 'logs',
    server,
    follow,
    ...(unit !== undefined && { unit }),
    ...(file !== undefined && { file }),
    ...(grep !== undefined && { grep }),
    ...(level !== undefined && { level }),
    ...(until !== undefined && { until }),
    ...(cursor !== undefined && { cursor }),
    ...(cursor === undefined && since !== undefined && { since }),
    ...(cursor === undefined && tail !== undefined && { tail }),
  };
}

/** The way to the log is gone for now, or this replica goes. */
const passing: ReadonlySet<CloseReason> = new Set([
  'agent-offline',
  'agent-restarted',
  'link-lost',
  'peer-lost',
  'no-session',
  'cancelled',
]);

/** A reader that is told to come back waits this long. */
const greeting = ': labmesh log\nretry: 2000\n\n';
const lineEvent = (line: LogLine) => sseEvent({ id: line.cursor, data: line });
const endEvent = ({ reason, text }: ChannelEnding) => sseEvent({ event: 'end', data: { reason, text } });

/** The answer; it ends with the log, the reader or the right to it, whichever is first. */
export function logStream(inner: InnerChannel, signal: AbortSignal): Response {
  const { channel } = inner;
  const pipe = new TransformStream<Uint8Array, Uint8Array>();
  const writer = pipe.writable.getWriter();
  const encoder = new TextEncoder();
  let writing = 0;
  /** Resolves when the reader has asked for it. */
  const send = async (text: string) => {
    writing++;
    await writer.write(encoder.encode(text)).finally(() => writing--);
  };
  const leave = () => inner.leave();
  writer.closed.catch(leave);
  signal.addEventListener('abort', leave, { once: true });
  void send(greeting).catch(leave);
  const lines = new LogLineReader();
  const decoder = new TextDecoder();
  let failure: ChannelEnding | undefined;
  const data = async (stream: number, bytes: Uint8Array) => {
    if (stream !== 1) return send(sseEvent({ event: 'note', data: decoder.decode(bytes, { stream: true }) }));
    const whole = lines.push(bytes);
    if (whole.length > 0) await send(whole.map(lineEvent).join(''));
  };
  channel.handle({
    data: (stream, bytes) =>
      data(stream, bytes).catch((error: unknown) => {
        failure ??= { reason: 'protocol', text: error instanceof Error ? error.message : '' };
        leave();
      }),
    // The link inside labd ends only with the right to it.
    cut: (isCut) => isCut && queueMicrotask(() => channel.abort('revoked')),
  });
  channel.end(0);
  const beat = setInterval(() => writing === 0 && void send(stillHere).catch(leave), commentEveryMs);
  void channel.closed.then(async (ending) => {
    clearInterval(beat);
    signal.removeEventListener('abort', leave);
    inner[Symbol.dispose]();
    const told = failure ?? ending;
    if (!passing.has(told.reason)) await send(endEvent(told)).catch(() => undefined);
    await writer.close().catch(() => undefined);
  });
  if (signal.aborted) leave();
  return new Response(pipe.readable, { headers: sseHeaders });
}
