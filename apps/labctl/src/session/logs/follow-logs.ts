/**
 * A log session that goes on where it was, whatever happened between: over cuts by RESUME, and behind an agent that
 * restarted by a new session from the cursor of the last line that was shown (LG-3). So no line is lost or repeated.
 */
import type { Clock } from '@labmesh/kit/clock';
import { ChannelClosed, type ChannelEnding } from '@labmesh/link/channel';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import { LogLineError, LogLineReader } from '@labmesh/wire/frame/log-line-reader';
import type { LogLine, Open, OpenOf } from '@labmesh/wire/frame/open';
import type { KeptChannel } from '../kept-channel.ts';
import { OutputGone } from '../session-io.ts';

export type LogsParts = {
  open: (open: Open, signal: AbortSignal) => Promise<KeptChannel>;
  /** Resolves when the lines were taken. @throws OutputGone */
  show: (lines: readonly LogLine[]) => Promise<void>;
  /** Text of the agent beside the lines. */
  warn: (text: string) => void;
  clock: Clock;
  signal: AbortSignal;
  /** In [0, 1). */
  random?: () => number;
};

/** The agent, or the way to it, is gone for now. */
const passing: ReadonlySet<CloseReason> = new Set([
  'agent-offline',
  'agent-restarted',
  'link-lost',
  'peer-lost',
  'no-session',
]);
/** How long nothing may come of it before it is an error. */
const patienceMs = 60_000;
const retryMs = { least: 1_000, spread: 4_000 };

/** To its end. @throws ChannelClosed for another ending, OutputGone, LogLineError, the signal's reason */
export async function followLogs(wanted: OpenOf<'logs'>, parts: LogsParts): Promise<void> {
  const { clock, signal, random = Math.random } = parts;
  let cursor: string | undefined;
  let badSince: number | undefined;
  for (;;) {
    const run = new LogsRun(parts, cursor);
    const ending = await run.follow(cursor === undefined ? wanted : from(wanted, cursor));
    signal.throwIfAborted();
    if (run.failure !== undefined) throw run.failure;
    if (ending.reason === 'ok') return;
    const isFirst = cursor === undefined && run.cursor === undefined && !run.wasOpen;
    if (!passing.has(ending.reason) || isFirst) throw new ChannelClosed(ending);
    if (run.cursor !== cursor) badSince = undefined;
    cursor = run.cursor;
    const now = clock.now();
    badSince ??= now;
    if (now - badSince >= patienceMs) throw new ChannelClosed(ending);
    await clock.sleep(retryMs.least + random() * retryMs.spread, signal);
  }
}

/** Behind a line that was shown: neither a number of old lines nor a time counts any more. */
function from({ tail: _tail, since: _since, ...rest }: OpenOf<'logs'>, cursor: string): OpenOf<'logs'> {
  return { ...rest, cursor };
}

/** One session of it. */
class LogsRun {
  readonly #parts: LogsParts;
  /** Of the last line that was shown. */
  cursor: string | undefined;
  wasOpen = false;
  failure: Error | undefined;

  constructor(parts: LogsParts, cursor: string | undefined) {
    this.#parts = parts;
    this.cursor = cursor;
  }

  async follow(open: OpenOf<'logs'>): Promise<ChannelEnding> {
    const { signal } = this.#parts;
    let channel: KeptChannel;
    try {
      channel = await this.#parts.open(open, signal);
    } catch (error) {
      if (error instanceof ChannelClosed) return error.ending;
      throw error;
    }
    this.wasOpen = true;
    const onAbort = () => channel.close('cancelled');
    signal.addEventListener('abort', onAbort, { once: true });
    const lines = new LogLineReader();
    const decoder = new TextDecoder();
    channel.handle({
      data: async (stream, bytes) => {
        if (stream === 1) await this.#lines(lines, bytes, channel);
        else this.#parts.warn(decoder.decode(bytes, { stream: true }));
      },
    });
    if (signal.aborted) onAbort();
    channel.end(0);
    const ending = await Promise.race([channel.closed, aborted(signal)]);
    signal.removeEventListener('abort', onAbort);
    return ending;
  }

  async #lines(reader: LogLineReader, bytes: Uint8Array, channel: KeptChannel): Promise<void> {
    if (this.failure !== undefined) return;
    try {
      const lines = reader.push(bytes);
      if (lines.length === 0) return;
      await this.#parts.show(lines);
      this.cursor = lines.at(-1)?.cursor ?? this.cursor;
    } catch (error) {
      if (!(error instanceof OutputGone || error instanceof LogLineError)) throw error;
      this.failure = error;
      channel.close('cancelled');
    }
  }
}

/** A moment after Ctrl-C: the other side may not answer the goodbye. */
const goodbyeMs = 500;
const aborted = (signal: AbortSignal): Promise<ChannelEnding> =>
  new Promise((resolve) => {
    const late = () => void setTimeout(() => resolve({ reason: 'cancelled', text: '' }), goodbyeMs);
    if (signal.aborted) late();
    else signal.addEventListener('abort', late, { once: true });
  });
