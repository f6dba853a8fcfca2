import { gatewayStatusSchema } from '@labmesh/wire/admin';
import type { z } from 'zod';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand, type World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { dataFolderPath } from '../data-folder.ts';
import { readRunState, type RunState } from '../run-file.ts';
import { span } from '../terminal/span.ts';

type FleetState = NonNullable<RunState['fleet']>;
/** `problem`: why labd gave no answer. */
type FleetStatus = Pick<FleetState, 'api' | 'server'> & {
  agents?: { connected: number; known: number };
  problem?: string;
};
type GatewayStatus = z.output<typeof gatewayStatusSchema>;

/** The admin socket answers at once, or something is wrong. */
const fleetMs = 5_000;

/** What labd says of itself, over its admin socket. */
async function askFleet({ api, server, adminSocket }: FleetState, { clock, life }: World): Promise<FleetStatus> {
  // Not loaded where no labd runs.
  const { LabdClient } = await import('../client/labd-client.ts');
  const { socketTransport } = await import('../client/labd-transport.ts');
  const transport = socketTransport(adminSocket);
  using labd = new LabdClient({ transport, timeoutMs: fleetMs, signal: life.signal, clock });
  const { agents } = await labd.call('get-detailed-health');
  return { api, ...(server !== undefined && { server }), agents };
}

function gatewayRows(found: GatewayStatus, pid: number): string[][] {
  const { endpoints } = found;
  return [
    ['state', `${found.state}, pid ${pid}, up ${span(found.uptimeS * 1000)}, version ${found.version}`],
    ['api', found.api],
    ['requests', `${found.inFlight} in flight, ${found.queued} queued, ${found.connections} connections`],
    ['endpoints', `${endpoints.healthy} of ${endpoints.total} healthy`],
    ['models', String(found.models)],
  ];
}

function fleetRow({ api, agents, problem }: FleetStatus): string[] {
  const said = agents === undefined ? problem : `${agents.connected} of ${agents.known} agents connected`;
  return ['fleet', `${api}, ${said}`];
}

type Found = { pid: number; data: string; gateway: GatewayStatus | undefined; fleet: FleetStatus | undefined };

/** @throws CommandError when nothing runs on the folder */
async function look(data: string | undefined, world: World): Promise<Found> {
  const folder = dataFolderPath(data, world.env);
  const state = readRunState(folder);
  // Started with --only: labd is all there is to ask.
  if (state?.fleet !== undefined && state.api === undefined) {
    return { pid: state.pid, data: folder, gateway: undefined, fleet: await askFleet(state.fleet, world) };
  }
  await using running = new RunningGateway(data, world.env);
  const gateway = await running.ask('GET', '/status', gatewayStatusSchema);
  const { pid, fleet } = running.state;
  const problem = (error: unknown) => ({ problem: error instanceof Error ? error.message : String(error) });
  const asked =
    fleet === undefined
      ? undefined
      : await askFleet(fleet, world).catch((error: unknown) => ({ api: fleet.api, ...problem(error) }));
  return { pid, data: running.dataDir, gateway, fleet: asked };
}

export const status = defineCommand({
  name: 'status',
  summary: 'Shows whether labmesh runs on the data folder, and how busy it is. Exit code 1 when it does not run.',
  usage: 'labctl status [--data DIR] [--json]',
  examples: ['labctl status', 'labctl status --json'],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    try {
      const { pid, data, gateway, fleet } = await look(values.data, world);
      if (values.json) {
        const all = { running: true, pid, data, ...gateway, ...(fleet !== undefined && { fleet }) };
        world.stdout(`${JSON.stringify(all)}\n`);
        return 0;
      }
      const rows = [
        ...(gateway === undefined ? [['state', `running, pid ${pid}`]] : gatewayRows(gateway, pid)),
        ...(fleet === undefined ? [] : [fleetRow(fleet)]),
        ['data', data],
      ];
      world.stdout(rows.map(([name, text]) => `${name?.padEnd(11)}${text}\n`).join(''));
      return 0;
    } catch (error) {
      // Scripts ask this to find out: the answer "no" has a form of its own.
      if (!values.json || !(error instanceof CommandError)) throw error;
      world.stderr(`${error.message}\n`);
      const data = dataFolderPath(values.data, world.env);
      world.stdout(`${JSON.stringify({ running: false, data, reason: error.message, hint: error.hint })}\n`);
      return 1;
    }
  },
});
