/** OPEN logs: the journal, or a file (LG-1 … LG-3). */
import type { Clock } from '@labmesh/kit/clock';
import { type Channel, ChannelClosed } from '@labmesh/link/channel';
import type { SessionOptions } from '../session-options.ts';
import { errnoOf, errnoText, Refused, type SessionRun } from '../session-run.ts';
import { fileLines } from './file/file-lines.ts';
import { journalLines } from './journal-lines.ts';
import { sendLines } from './line-sender.ts';
import { LogPaths } from './file/log-paths.ts';
import { checkFilter, type LogSource, type LogsOpen } from './log-source.ts';

export type LogsWorld = {
  clock: Clock;
  options: Pick<SessionOptions, 'logPaths'>;
  /** The program that reads the journal. */
  journalctl?: readonly string[];
};

/** @throws Refused denied, not-found, io, protocol. */
export async function openLogs(open: LogsOpen, world: LogsWorld): Promise<SessionRun> {
  const stop = new AbortController();
  const source = await sourceOf(open, world, stop.signal);
  return { answer: {}, run: (channel) => sendOver(channel, source, stop) };
}

async function sourceOf(open: LogsOpen, world: LogsWorld, signal: AbortSignal): Promise<LogSource> {
  const { clock } = world;
  // A pattern that cannot be read is told before OPEN_OK.
  checkFilter(open);
  if (open.file === undefined)
    return journalLines(open, { command: world.journalctl ?? ['journalctl'], clock, signal });
  if (open.unit !== undefined || open.level !== undefined) {
    throw new Refused('protocol', 'a file has no units and levels: those are the journal’s');
  }
  const paths = await LogPaths.open(world.options.logPaths);
  const handle = await paths.read(open.file);
  if (handle === undefined && !open.follow) throw new Refused('not-found', 'there is no such file');
  await handle?.close();
  return fileLines(open.file, open, { paths, clock, signal });
}

async function sendOver(channel: Channel, source: LogSource, stop: AbortController): Promise<void> {
  channel.handle({ close: () => stop.abort() });
  try {
    await sendLines(source, channel);
    channel.end(1);
    channel.end(2);
    channel.close('ok');
  } catch (error) {
    if (error instanceof Refused) channel.close(error.reason, error.message);
    else if (!(error instanceof ChannelClosed || stop.signal.aborted))
      channel.close('io', errnoOf(error) === '' ? '' : errnoText(error));
  } finally {
    stop.abort();
    await source.return().catch(() => {});
  }
  await channel.closed;
}
