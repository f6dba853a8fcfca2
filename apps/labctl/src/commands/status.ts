import { gatewayStatusSchema } from '@labmesh/wire/admin';
import type { z } from 'zod';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand, type World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { dataFolderPath } from '../data-folder.ts';
import { exitCodes } from '../exit-codes.ts';
import { askConfigured, type LabdFlags, labdOptions } from '../fleet/ask-configured.ts';
import { type LabdAnswer, labdObject, labdText } from '../fleet/health-text.ts';
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

const verificationText = ({ mode, cached }: NonNullable<GatewayStatus['verification']>) =>
  `${mode}, ${cached} answers kept`;

function gatewayRows(found: GatewayStatus, pid: number): string[][] {
  const { endpoints } = found;
  return [
    ['state', `${found.state}, pid ${pid}, up ${span(found.uptimeS * 1000)}, version ${found.version}`],
    ['api', found.api],
    ['requests', `${found.inFlight} in flight, ${found.queued} queued, ${found.connections} connections`],
    ['endpoints', `${endpoints.healthy} of ${endpoints.total} healthy`],
    ['models', String(found.models)],
    ...(found.verification === undefined ? [] : [['verify', verificationText(found.verification)]]),
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

/** The labd that this account is logged in to, unless it is the one that was shown already; one that is named in any case. */
async function askLabd(
  world: World,
  flags: LabdFlags,
  shown: FleetStatus | undefined,
): Promise<LabdAnswer | undefined> {
  const labd = await askConfigured(world, flags, (client) => client.call('get-detailed-health'));
  const isMeant = flags.context !== undefined || flags.local;
  return labd?.url === shown?.api && !isMeant ? undefined : labd;
}

/** Nobody answers. To be refused is another matter: then labd runs. */
const isAway = (labd: LabdAnswer | undefined): boolean =>
  labd !== undefined &&
  'problem' in labd &&
  (labd.problem.exitCode === exitCodes.unreachable || labd.problem.exitCode === exitCodes.timeout);

function meshText({ pid, data, gateway, fleet }: Found): string {
  const rows = [
    ...(gateway === undefined ? [['state', `running, pid ${pid}`]] : gatewayRows(gateway, pid)),
    ...(fleet === undefined ? [] : [fleetRow(fleet)]),
    ['data', data],
  ];
  return rows.map(([name, text]) => `${name?.padEnd(11)}${text}\n`).join('');
}

export const status = defineCommand({
  name: 'status',
  summary:
    'Shows whether labmesh runs on the data folder, and how busy it is; where a labd is set up, its state as well. Exit ' +
    'code 1 when what is asked about does not run. --context and --local name the labd.',
  usage: 'labctl status [--data DIR] [--context NAME | --local] [--json]',
  examples: ['labctl status', 'labctl status --json', 'labctl status --context prod'],
  options: { ...dataOption, ...labdOptions, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    const found = await look(values.data, world).catch((error: unknown) => {
      if (error instanceof CommandError) return error;
      throw error;
    });
    const isDown = found instanceof CommandError;
    const labd = await askLabd(world, values, isDown ? undefined : found.fleet);
    if (isDown && labd === undefined && !values.json) throw found;
    const data = dataFolderPath(values.data, world.env);
    if (values.json) {
      if (isDown) world.stderr(`${found.message}\n`);
      // Scripts ask this to find out: the answer "no" has a form of its own.
      const mesh = isDown
        ? { running: false, data, reason: found.message, hint: found.hint }
        : { running: true, pid: found.pid, data: found.data, ...found.gateway, fleet: found.fleet };
      world.stdout(`${JSON.stringify({ ...mesh, ...(labd !== undefined && { labd: labdObject(labd) }) })}\n`);
    } else {
      // Nobody here and nobody there: the way out is to start it.
      if (isDown && isAway(labd)) world.stderr(`${found.message}\nhint: ${found.hint}\n`);
      const mesh = isDown ? `state      not running on ${data}\n` : meshText(found);
      world.stdout(`${mesh}${labd === undefined ? '' : labdText(labd, world.clock.wall())}`);
    }
    // A machine from which a fleet is operated need not run a mesh itself, unless that is what was asked about.
    const isWanted = labd === undefined || values.data !== undefined;
    return isAway(labd) || (isDown && isWanted) ? exitCodes.failed : exitCodes.ok;
  },
});
