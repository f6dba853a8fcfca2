/**
 * The fleet plane inside `labctl up`: labd, the login of whoever started it, and the agent of this machine, so that
 * `labctl exec` works in the first minute.
 */
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { LabdClient } from '../../client/labd-client.ts';
import { socketTransport } from '../../client/labd-transport.ts';
import type { World } from '../../command.ts';
import type { FleetSettings } from './fleet-settings.ts';
import { openAgent } from './own-agent.ts';
import { openLabd } from './own-labd.ts';
import { openLogin } from './own-login.ts';

export type OwnFleetInput = {
  world: World;
  dataDir: string;
  settings: FleetSettings;
  /** `--port 0`. */
  anyPort: boolean;
  /** Part agent. */
  withAgent: boolean;
  store: Store;
  log: Logger;
  /** Ends the start. */
  signal: AbortSignal;
};

export interface OwnFleet extends AsyncDisposable {
  readonly api: string;
  readonly agents: string;
  readonly adminSocket: string;
  /** This machine's name in the fleet. */
  readonly server: string | undefined;
  readonly context: { name: string; isCurrent: boolean } | undefined;
  /** Servers that labd knows. */
  readonly servers: number;
  readonly notes: readonly string[];
  /** Ends the sessions of this machine's agent, tells clients and agents to go, lets requests end (SD-1). */
  drain: () => Promise<void>;
}

/** The admin socket answers at once, or something is wrong. */
const requestMs = 10_000;

/** @throws CommandError when labd cannot stand; then nothing is left behind */
export async function openFleet(input: OwnFleetInput): Promise<OwnFleet> {
  const { world, dataDir, settings, log, signal } = input;
  await using stack = new AsyncDisposableStack();
  const own = await openLabd(input, stack);
  const { api, agents, adminSocket, core, labd } = own;
  signal.throwIfAborted();
  const transport = socketTransport(adminSocket);
  const client = stack.use(new LabdClient({ transport, timeoutMs: requestMs, signal }));
  const joining = input.withAgent
    ? openAgent({ dataDir, options: settings.agent, own, client, log, signal })
    : undefined;
  // Before it is awaited: what goes wrong beside it must not leave it behind.
  stack.defer(async () => (await joining?.catch(() => undefined))?.[Symbol.asyncDispose]());
  const [login, agent] = await Promise.all([openLogin({ world, dataDir, api, core, client, log }, stack), joining]);
  const { agents: seen } = await client.call('get-detailed-health');
  const running = stack.move();
  return {
    api,
    agents,
    adminSocket,
    server: agent?.server,
    context: login.context,
    servers: seen.known,
    notes: [...own.notes, ...login.notes, ...(agent?.notes ?? [])],
    drain: async () => {
      await agent?.[Symbol.asyncDispose]();
      await labd.drain();
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
