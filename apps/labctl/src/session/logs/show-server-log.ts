/** The log of a server on our stdout, to its end or until Ctrl-C (LG-1). */
import { LogLineError } from '@labmesh/wire/frame/log-line-reader';
import type { LogLine, OpenOf } from '@labmesh/wire/frame/open';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { channelProblem, endingOf } from '../channel-problem.ts';
import { ClientLink } from '../client-link.ts';
import { dialProblem } from '../dial-problem.ts';
import type { SessionCall } from '../session-call.ts';
import { OutputGone } from '../session-io.ts';
import { followLogs } from './follow-logs.ts';

/** `text`: a line as it is shown. @throws CommandError (CT-8), OutputGone, the reason of the life's signal */
export async function showServerLog(
  open: OpenOf<'logs'>,
  session: SessionCall,
  text: (line: LogLine) => string,
): Promise<number> {
  const { world, io, link, where, note } = session;
  const { clock, life } = world;
  const show = (lines: readonly LogLine[]) => io.write(1, new TextEncoder().encode(lines.map(text).join('')));
  await using client = new ClientLink(link);
  try {
    await followLogs(open, { open: client.open.bind(client), show, warn: note, clock, signal: life.signal });
    return exitCodes.ok;
  } catch (error) {
    life.signal.throwIfAborted();
    if (error instanceof OutputGone) throw error;
    const target = `server/${open.server}`;
    if (error instanceof LogLineError) throw new CommandError(`the agent of ${target} sent no log: ${error.message}`);
    const ending = endingOf(error);
    if (ending === undefined) throw dialProblem(where, error);
    throw channelProblem(ending, { verb: 'logs', target, now: clock.wall() });
  }
}
