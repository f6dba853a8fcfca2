import { gatewayStatusSchema } from '@labmesh/wire/admin';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { dataFolderPath } from '../data-folder.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Asked, askConfigured } from '../fleet/ask-configured.ts';
import { type DetailedHealth, healthFields } from '../fleet/health-text.ts';
import { renderFields } from '../output/result.ts';
import { safeText } from '../terminal/safe-text.ts';
import { span } from '../terminal/span.ts';

type Fleet = Asked<DetailedHealth> | undefined;

/** What runs on the data folder: its object, and the same for people. @throws CommandError when nothing does */
async function readMesh(data: string | undefined, world: World) {
  await using gateway = new RunningGateway(data, world.env);
  const found = await gateway.ask('GET', '/status', gatewayStatusSchema);
  const { pid } = gateway.state;
  const { endpoints } = found;
  const rows = [
    ['state', `${found.state}, pid ${pid}, up ${span(found.uptimeS * 1000)}, version ${found.version}`],
    ['api', found.api],
    ['requests', `${found.inFlight} in flight, ${found.queued} queued, ${found.connections} connections`],
    ['endpoints', `${endpoints.healthy} of ${endpoints.total} healthy`],
    ['models', String(found.models)],
    ['data', gateway.dataDir],
  ];
  return {
    object: { running: true, pid, data: gateway.dataDir, ...found },
    text: rows.map(([name, text]) => `${name?.padEnd(11)}${text}\n`).join(''),
  };
}

function fleetText(fleet: Fleet, now: number): string {
  if (fleet === undefined) return '';
  if ('problem' in fleet) return `\nfleet      ${safeText(fleet.problem.message)}\n`;
  return `\nfleet      ${fleet.url}\n${renderFields(healthFields(fleet.answer, now).map(([name, value]) => [name.toLowerCase(), value]))}`;
}

const fleetObject = (fleet: Fleet) => {
  if (fleet === undefined) return {};
  const { url } = fleet;
  return { fleet: 'problem' in fleet ? { url, reason: fleet.problem.message } : { url, ...fleet.answer } };
};

/** Nobody answers. To be refused is another matter: then labd runs. */
const isAway = (fleet: Fleet): boolean =>
  fleet !== undefined &&
  'problem' in fleet &&
  (fleet.problem.exitCode === exitCodes.unreachable || fleet.problem.exitCode === exitCodes.timeout);

export const status = defineCommand({
  name: 'status',
  summary:
    'Shows whether labmesh runs on the data folder, and how busy it is; where a labd is set up, the state of the fleet as ' +
    'well. Exit code 1 when what is set up does not run.',
  usage: 'labctl status [--data DIR] [--json]',
  examples: ['labctl status', 'labctl status --json'],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    const fleet = await askConfigured(world, (labd) => labd.call('get-detailed-health'));
    const mesh = await readMesh(values.data, world).catch((error: unknown) => {
      if (error instanceof CommandError) return error;
      throw error;
    });
    const isDown = mesh instanceof CommandError;
    // Scripts ask this to find out: with --json the answer "no" has a form of its own.
    if (isDown && fleet === undefined && !values.json) throw mesh;
    const data = dataFolderPath(values.data, world.env);
    if (values.json) {
      if (isDown) world.stderr(`${mesh.message}\n`);
      const object = isDown ? { running: false, data, reason: mesh.message, hint: mesh.hint } : mesh.object;
      world.stdout(`${JSON.stringify({ ...object, ...fleetObject(fleet) })}\n`);
    } else {
      const text = isDown ? `state      not running on ${data}\n` : mesh.text;
      world.stdout(`${text}${fleetText(fleet, world.clock.wall())}`);
    }
    // A machine from which a fleet is operated need not run a mesh itself, unless that is what was asked about.
    const isWanted = fleet === undefined || values.data !== undefined;
    return isAway(fleet) || (isDown && isWanted) ? exitCodes.failed : exitCodes.ok;
  },
});
