import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import type { Life } from '@labmesh/kit/run';
import { Agent } from './agent.ts';
import type { AgentOptions } from './agent-options.ts';
import { identityOf } from './identity/enrol-here.ts';
import { tellReady } from './unit/tell-ready.ts';
import { agentVersion as version } from './version.ts';

/** systemd starts it again after any end; other supervisors after one that is none of 0 (EX_TEMPFAIL of sysexits.h). */
const restartCode = 75;

/** Joins this machine to labd until the process is told to stop; gives the exit code. */
export async function runAgent(options: AgentOptions, life: Life, selfCommand: readonly string[]): Promise<number> {
  const log = createLogger(
    { level: options.logLevel, format: process.stderr.isTTY ? 'pretty' : 'json' },
    { part: 'agent' },
  );
  const identity = await identityOf(options, version);
  let code = 0;
  const restart = () => {
    code = restartCode;
    life.stop();
  };
  const agent = life.stack.use(
    new Agent({ identity, options, clock: systemClock, log, version, selfCommand, restart }),
  );
  const running = agent.run();
  // One on trial is ready when it proved itself: a supervisor that waits in vain ends it, whatever it does meanwhile.
  life.stack.use(tellReady(() => agent.state, agent.confirmed));
  await Promise.race([running, life.stopped]);
  return code;
}
