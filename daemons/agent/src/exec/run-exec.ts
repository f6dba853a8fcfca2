/** OPEN exec and OPEN attach. */
import type { Channel } from '@labmesh/link/channel';
import type { OpenOf } from '@labmesh/wire/frame/open';
import { accountFor, asAccount } from '../accounts.ts';
import { Refused, type SessionRun } from '../session-run.ts';
import { commandOf, isFolder } from './process/command.ts';
import { ExecSession } from './exec-session.ts';
import type { ExecWorld } from './exec-world.ts';

/** Checks what can be checked before anything starts. @throws Refused denied, user-unknown, spawn-failed. */
export async function openExec(open: OpenOf<'exec'>, world: ExecWorld): Promise<ExecSession> {
  const account = await accountFor(open.login, world.accounts, world.options.logins);
  const command = commandOf(open, account, asAccount(account, world.accounts), world.env);
  if (!isFolder(command.cwd)) throw new Refused('spawn-failed', 'the working directory does not exist');
  return new ExecSession(open, command, world);
}

/** Follows a session that lives already. @throws Refused no-session. */
export function openAttach(open: OpenOf<'attach'>, target: ExecSession | undefined): SessionRun {
  if (target === undefined || !target.isOpen) throw new Refused('no-session', 'that session is over or not here');
  return {
    answer: { dropped: target.dropped },
    run: (channel: Channel) => target.serve(channel, open.tty ?? undefined),
  };
}
