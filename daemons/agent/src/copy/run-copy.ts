/** OPEN copy-in and OPEN copy-out: here for the agent's own account, by the helper for another one. */
import { type Channel, ChannelClosed } from '@labmesh/link/channel';
import { accountFor, type Accounts, asAccount } from '../accounts.ts';
import { Inbox } from '../inbox.ts';
import type { SessionOptions } from '../session-options.ts';
import { Refused, type SessionRun } from '../session-run.ts';
import { copyEnd, type CopyOpen, type CopyPort, type PreparedCopy } from './copy-port.ts';
import { prepareByHelper } from './helper-client.ts';
import { prepareReceive } from './receive-files.ts';
import { prepareSend } from './send-files.ts';

export type CopyWorld = { accounts: Accounts; options: Pick<SessionOptions, 'logins' | 'selfCommand'> };

/** What the helper runs too: as whoever it was started. */
export const prepareCopy = (open: CopyOpen): Promise<PreparedCopy> =>
  open.kind === 'copy-in' ? prepareReceive(open) : prepareSend(open);

/** @throws Refused */
export async function openCopy(open: CopyOpen, world: CopyWorld): Promise<SessionRun> {
  const account = await accountFor(open.login, world.accounts, world.options.logins);
  const prefix = asAccount(account, world.accounts);
  const command = [...prefix, ...world.options.selfCommand];
  const prepared = await (prefix.length === 0 ? prepareCopy(open) : prepareByHelper(open, command)).catch(
    (error: unknown) => {
      const { reason, text } = copyEnd(error);
      throw new Refused(reason, text);
    },
  );
  return { answer: prepared.answer, run: (channel) => copyOver(channel, prepared) };
}

const finished = { code: 0, signal: null, core: false, timedOut: false, drained: true } as const;

async function copyOver(channel: Channel, prepared: PreparedCopy): Promise<void> {
  const inbox = new Inbox();
  channel.handle({
    data: (stream, bytes) => (stream === 0 ? inbox.push(bytes) : undefined),
    eof: () => inbox.end(),
    close: (ending) => inbox.fail(new ChannelClosed(ending)),
  });
  const port: CopyPort = {
    input: inbox,
    write: (bytes) => channel.write(1, bytes),
    warn: (text) => channel.write(2, new TextEncoder().encode(`${text}\n`)),
  };
  try {
    const { reason, text, copied } = await prepared.run(port);
    channel.end(1);
    channel.end(2);
    // For the audit row: labd passes the stream on and knows nothing of the files in it.
    const bytes = { in: channel.received.in, out: channel.sent.out, err: channel.sent.err };
    if (copied !== undefined) channel.sendExit({ ...finished, bytes, copied });
    channel.close(reason, text);
  } catch (error) {
    const { reason, text } = copyEnd(error);
    // An error that nobody can hear any more is none.
    if (!(error instanceof ChannelClosed)) channel.close(reason, text);
  } finally {
    await prepared.dispose().catch(() => {});
  }
  await channel.closed;
}
