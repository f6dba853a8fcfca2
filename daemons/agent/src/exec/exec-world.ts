import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Accounts } from '../accounts.ts';
import type { SessionOptions } from '../session-options.ts';
import type { Cgroups } from './process/cgroup.ts';

/** What exec needs around it. */
export type ExecWorld = {
  clock: Clock;
  log: Logger;
  accounts: Accounts;
  options: SessionOptions;
  /** The agent's environment; of it only PATH and the locale go on to commands. */
  env: Readonly<Record<string, string | undefined>>;
  /** Absent where the machine has none for us. */
  cgroups?: Cgroups;
};
