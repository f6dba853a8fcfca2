/** What each kind of OPEN becomes on this machine. */
import { type Accounts, systemAccounts } from './accounts.ts';
import { openCopy } from './copy/run-copy.ts';
import type { ExecWorld } from './exec/exec-world.ts';
import { delegatedRoot, openCgroups } from './exec/process/cgroup.ts';
import { openAttach, openExec } from './exec/run-exec.ts';
import { openFacts } from './facts/open-facts.ts';
import { openForward } from './forward/run-forward.ts';
import { openLogs } from './logs/run-logs.ts';
import { type OpenSession, Sessions } from './sessions.ts';

/** The sessions of this machine, none yet. */
export const openSessions = (parts: Pick<ExecWorld, 'options' | 'clock' | 'log'>): Sessions =>
  new Sessions({ ...parts, open: sessionOpener(parts) });

/** The door to all kinds, over the machine as it is. */
function sessionOpener(parts: Pick<ExecWorld, 'options' | 'clock' | 'log'>): OpenSession {
  const { options, clock, log } = parts;
  const accounts: Accounts = systemAccounts();
  const root = delegatedRoot();
  const cgroups = root === undefined ? undefined : openCgroups(root, { clock, log });
  const world = { clock, log, accounts, options, env: process.env, ...(cgroups !== undefined && { cgroups }) };
  return async (open, target) => {
    switch (open.kind) {
      case 'exec':
        return openExec(open, world);
      case 'attach':
        return openAttach(open, target(open.target));
      case 'copy-in':
      case 'copy-out':
        return openCopy(open, { accounts, options });
      case 'forward':
        return openForward(open);
      case 'logs':
        return openLogs(open, { options, clock });
      case 'facts':
        return openFacts();
    }
  };
}
