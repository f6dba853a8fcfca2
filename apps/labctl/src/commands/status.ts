import { gatewayStatusSchema } from '@labmesh/wire/admin';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { dataFolderPath } from '../data-folder.ts';
import { span } from '../terminal/span.ts';

export const status = defineCommand({
  name: 'status',
  summary: 'Shows whether labmesh runs on the data folder, and how busy it is. Exit code 1 when it does not run.',
  usage: 'labctl status [--data DIR] [--json]',
  examples: ['labctl status', 'labctl status --json'],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    try {
      await using gateway = new RunningGateway(values.data, world.env);
      const found = await gateway.ask('GET', '/status', gatewayStatusSchema);
      const { pid } = gateway.state;
      if (values.json) {
        world.stdout(`${JSON.stringify({ running: true, pid, data: gateway.dataDir, ...found })}\n`);
        return 0;
      }
      const { endpoints } = found;
      const rows = [
        ['state', `${found.state}, pid ${pid}, up ${span(found.uptimeS * 1000)}, version ${found.version}`],
        ['api', found.api],
        ['requests', `${found.inFlight} in flight, ${found.queued} queued, ${found.connections} connections`],
        ['endpoints', `${endpoints.healthy} of ${endpoints.total} healthy`],
        ['models', String(found.models)],
        ['data', gateway.dataDir],
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
